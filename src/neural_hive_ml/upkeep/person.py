"""What names a person: the owner and the ids of the owner's tickets. Pure."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Any, Final

import msgspec

# What stands where a person was named.
ERASED: Final = "[erased]"
_PARTS: Final = re.compile(r"[^\s\"',:;{}\[\]()]+")
_RAW_PARTS: Final = re.compile(rb"[\0\s\"',:;{}\[\]()]+")


@dataclass(frozen=True)
class Person:
    """An owner and everything of theirs that could name them: `ticket_ids`, and the digests of ids `erased` before.

    A digest is keyed by the owner: without that name nobody can tell whose ticket it was.
    """

    owner: str
    ticket_ids: Collection[str] = field(default_factory=frozenset)
    erased: frozenset[str] = frozenset()

    @cached_property
    def names(self) -> frozenset[str]:
        """All texts that name the person."""
        return frozenset((self.owner, *self.ticket_ids))

    def digest(self, ticket_id: str) -> str:
        """Return what is kept of the id of an erased ticket."""
        key = blake2b(self.owner.encode("utf-8", "surrogatepass")).digest()
        text = ticket_id.encode("utf-8", "surrogatepass")
        return blake2b(text, key=key, digest_size=12, person=b"hive-erased").hexdigest()

    @cached_property
    def _word(self) -> re.Pattern[str]:
        # Neither a part of a word nor of a longer name: team-1 is not in team-1-b, ana@b.org not in ana@b.org.br.
        return re.compile(rf"(?<!\w)(?<!\w[-.@+]){re.escape(self.owner)}(?!\w)(?![-.@+]\w)")

    @cached_property
    def _needles(self) -> tuple[bytes, ...]:
        """The owner, and ids that are no single word, as they stand in files and in JSON."""
        odd = [name for name in self.names if name and (name == self.owner or not _PARTS.fullmatch(name))]
        plain = [name.encode("utf-8", "surrogatepass") for name in odd]
        return tuple({*plain, *(msgspec.json.encode(name)[1:-1] for name in odd if name.isprintable())})

    @cached_property
    def _raw_names(self) -> frozenset[bytes]:
        return frozenset(name.encode("utf-8", "surrogatepass") for name in self.names)

    @cached_property
    def _went(self) -> Callable[[str], bool]:
        # The same words come again and again: names of fields, of tasks.
        return lru_cache(maxsize=100_000)(lambda text: self.digest(text) in self.erased)

    def _is_name(self, text: str) -> bool:
        return text in self.names or (bool(self.erased) and self._went(text))

    def in_text(self, text: str) -> bool:
        """Tell whether free text names the owner as a word of its own, or one of the tickets."""
        if self._word.search(text) or self._is_name(text):
            return True
        return any(self._is_name(part) for part in _PARTS.findall(text))

    def may_be_in(self, raw: bytes) -> bool:
        """Tell whether JSON or BSON may name the person, quickly; a no is certain."""
        if any(needle in raw for needle in self._needles):
            return True
        parts = _RAW_PARTS.split(raw)
        if not self._raw_names.isdisjoint(parts):
            return True
        return bool(self.erased) and any(self._went(part.decode("utf-8", "replace")) for part in parts)

    def in_document(self, document: Mapping[str, Any]) -> bool:
        """Tell whether any text or key of a JSON document names the person; O(size)."""
        waiting: list[Any] = [document]
        while waiting:
            value = waiting.pop()
            if isinstance(value, str):
                if self.in_text(value):
                    return True
            elif isinstance(value, Mapping):
                waiting += [*value, *value.values()]
            elif isinstance(value, list | tuple):
                waiting += value
        return False

    def in_message(self, key: str, value: bytes) -> bool:
        """Tell whether a stream message is about the person, whether it is a ticket or not."""
        if self._is_name(key):
            return True
        try:
            document = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return self.in_text(value.decode("utf-8", "replace"))
        return self.in_document(document) if isinstance(document, Mapping) else self.in_document({"": document})

    def left_out(self, value: Any) -> Any:
        """Return a value with what names the person left out: null or absent where it is all there is, else `ERASED`.

        >>> Person("ana", frozenset({"t-1"})).left_out({"dependencies": ["t-1", "t-2"], "note": "ask ana"})
        {'dependencies': ['t-2'], 'note': 'ask [erased]'}
        """
        if isinstance(value, str):
            if self._is_name(value):
                return None
            text = self._word.sub(ERASED, value)
            return _PARTS.sub(lambda found: ERASED if self._is_name(found[0]) else found[0], text)
        if isinstance(value, Mapping):
            kept = {self.left_out(name): self.left_out(inner) for name, inner in value.items()}
            return {ERASED if name is None else name: inner for name, inner in kept.items()}
        if isinstance(value, list | tuple):
            parts = [(inner, self.left_out(inner)) for inner in value]
            return [new for old, new in parts if not (new is None and old is not None)]
        return value
