"""What a stream does; the adapters are `memory`, `redis` and `kafka`, one contract suite runs over all.

Delivery is at least once: a message is given out until it is committed, so whoever handles messages takes care that a
second time changes nothing. Within a key, and without faults, messages come in the order in which they were published.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

DEAD_LETTERS = ".dead-letters"


@dataclass(frozen=True, slots=True)
class Message:
    """One message, and where it lies in its stream: its `id`, the same however often it is given out."""

    id: str
    key: str
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish; messages of one key stay in order."""

    key: str
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Consumer(Protocol):
    """One reader of a stream in a group. All methods raise `StoreUnavailable` when the broker does not answer."""

    async def receive(self, limit: int, wait_seconds: float) -> Sequence[Message]:
        """Return at most `limit` messages that no other reader of the group has; empty after `wait_seconds` of silence.

        Messages of a reader that died without committing are given out again.
        """
        ...

    async def commit(self, messages: Sequence[Message]) -> None:
        """Note that messages, received here, are done: the oldest ones first, none left out in between.

        Raises
        ------
        Conflict
            When they belong to another reader by now, who does them again.
        """
        ...

    async def lag(self) -> int | None:
        """Return how many messages the group has not committed, None where the broker cannot tell."""
        ...

    async def others(self) -> bool:
        """Tell whether others read in the group too, as far as the broker shows: who was there within half a minute."""
        ...

    async def close(self) -> None:
        """Leave the group; what was not committed goes to others. Never raises."""
        ...


class Broker(Protocol):
    """A connection to where streams live. All methods raise `StoreUnavailable` when the broker does not answer."""

    def describe(self) -> str:
        """Return what and where it is, credentials masked."""
        ...

    async def publish(self, stream: str, messages: Sequence[Outgoing]) -> None:
        """Append messages in order; when this returns the broker has them."""
        ...

    async def consumer(self, stream: str, group: str, name: str) -> Consumer:
        """Join a group, as a reader of a name of its own; a new group begins with the oldest message."""
        ...

    async def browse(self, stream: str, group: str, limit: int) -> Sequence[Message]:
        """Return the oldest messages that a group has not committed, without taking them."""
        ...

    async def trim(self, stream: str, before_ms: int, *, unread: bool = False) -> int | None:
        """Delete what arrived before a moment; return how many, None where the broker has a retention of its own.

        Only what every group has committed, so nothing of a stream without groups. `unread`: that too.
        """
        ...

    async def erase(self, stream: str, wanted: Callable[[Message], bool]) -> int | None:
        """Delete messages, delivered or not; return how many, None where the broker cannot delete single messages."""
        ...

    async def close(self) -> None:
        """Release connections. Never raises."""
        ...
