"""Streams within one process: for tests, and for a demo without a broker."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from neural_hive_ml.errors import Conflict, StoreUnavailable
from neural_hive_ml.streams.port import Message, Outgoing

_CLOSED = "the connection is closed"


@dataclass
class _Group:
    """`next` is the place of the first message never given out; `back` are those given back."""

    next: int = 0
    back: deque[Message] = field(default_factory=deque)
    taken: dict[str, "MemoryConsumer"] = field(default_factory=dict)
    readers: int = 0


class MemoryBroker:
    """See `streams.port.Broker`; gone with its process."""

    def __init__(self) -> None:
        self._streams: defaultdict[str, list[Message]] = defaultdict(list)
        self._groups: defaultdict[tuple[str, str], _Group] = defaultdict(_Group)
        self._arrived = asyncio.Condition()
        self._closed = False

    def describe(self) -> str:
        return "streams in memory"

    async def publish(self, stream: str, messages: Sequence[Outgoing]) -> None:
        self._check()
        held = self._streams[stream]
        async with self._arrived:
            first = len(held)
            held += [Message(str(first + i), m.key, m.value, dict(m.headers)) for i, m in enumerate(messages)]
            self._arrived.notify_all()

    async def consumer(self, stream: str, group: str, name: str) -> "MemoryConsumer":
        self._check()
        return MemoryConsumer(self, self._streams[stream], self._groups[stream, group], self._arrived)

    async def browse(self, stream: str, group: str, limit: int) -> Sequence[Message]:
        self._check()
        held, of = self._streams[stream], self._groups[stream, group]
        taken = [message for message in held[: of.next] if message.id in of.taken]
        return [*taken, *of.back, *held[of.next :]][:limit]

    async def trim(self, stream: str, before_ms: int, *, unread: bool = False) -> int | None:
        """Return None: it is gone with its process."""
        return None

    async def erase(self, stream: str, wanted: Callable[[Message], bool]) -> int | None:
        self._check()
        held = self._streams[stream]
        gone = [place for place, message in enumerate(held) if message.value and wanted(message)]
        for place in gone:  # places stay: readers count them
            held[place] = replace(held[place], key="", value=b"", headers={})
        return len(gone)

    async def close(self) -> None:
        self._closed = True

    def _check(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"{self.describe()}: {_CLOSED}", remedy="open it again")


class MemoryConsumer:
    """See `streams.port.Consumer`."""

    def __init__(
        self, broker: MemoryBroker, held: list[Message], group: _Group, arrived: asyncio.Condition
    ) -> None:
        self._broker = broker
        self._held = held
        self._group = group
        group.readers += 1
        self._arrived = arrived
        self._closed = False

    async def receive(self, limit: int, wait_seconds: float) -> Sequence[Message]:
        self._check()
        group = self._group
        async with self._arrived:
            try:
                async with asyncio.timeout(wait_seconds):
                    await self._arrived.wait_for(lambda: group.back or group.next < len(self._held))
            except TimeoutError:
                return []
            again = [group.back.popleft() for _ in range(min(limit, len(group.back)))]
            fresh = self._held[group.next : group.next + limit - len(again)]
            group.next += len(fresh)
            messages = again + fresh
            group.taken.update({message.id: self for message in messages})
            return messages

    async def commit(self, messages: Sequence[Message]) -> None:
        self._check()
        for message in messages:
            if self._group.taken.get(message.id) is not self:
                raise Conflict(f"message {message.id} belongs to another reader", remedy="leave it to it")
            del self._group.taken[message.id]

    async def lag(self) -> int | None:
        self._check()
        group = self._group
        return len(self._held) - group.next + len(group.back) + len(group.taken)

    async def others(self) -> bool:
        self._check()
        return self._group.readers > 1

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        group = self._group
        group.readers -= 1
        mine = sorted((int(i) for i, owner in group.taken.items() if owner is self), reverse=True)
        async with self._arrived:
            for place in mine:
                del group.taken[str(place)]
                group.back.appendleft(self._held[place])
            self._arrived.notify_all()

    def _check(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"{self._broker.describe()}: {_CLOSED}", remedy="open it again")
