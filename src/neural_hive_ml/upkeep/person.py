"""What names a person: the owner and the ids of the owner's tickets. Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec


@dataclass(frozen=True)
class Person:
    """An owner and everything of theirs that could name them: `ticket_ids`."""

    owner: str
    ticket_ids: Collection[str] = field(default_factory=frozenset)

    @cached_property
    def names(self) -> frozenset[str]:
        """All texts that name the person."""
        return frozenset((self.owner, *self.ticket_ids))

    @cached_property
    def _word(self) -> re.Pattern[str]:
        return re.compile(rf"(?<!\w){re.escape(self.owner)}(?!\w)")

    def in_text(self, text: str) -> bool:
        """Tell whether free text names the owner as a word of its own, or one of the tickets."""
        if self._word.search(text) or text in self.names:
            return True
        return any(part in self.names for part in re.split(r"[\s\"',:;{}\[\]()]+", text))

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
        if key in self.names:
            return True
        try:
            document = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return self.in_text(value.decode("utf-8", "replace"))
        return self.in_document(document) if isinstance(document, Mapping) else self.in_document({"": document})
