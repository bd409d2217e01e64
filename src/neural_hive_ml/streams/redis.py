"""Redis Streams: consumer groups, messages of dead readers taken over."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from neural_hive_ml.addresses import mask
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.redis_client import redis_client
from neural_hive_ml.streams.port import DEAD_LETTERS, Message, Outgoing

# What a reader has not committed after this long belongs to whoever asks: longer than any batch takes.
TAKE_OVER_SECONDS: Final = 60.0
_ERASED_AT_ONCE: Final = 1_000
# A reader asks every few seconds: one that did not for this long is gone.
_THERE_MS: Final = 30_000
_HEADER: Final = b"h:"
# Producers that do not know us put the document under one of these names.
_VALUES: Final = (b"value", b"data", b"payload", b"ticket", b"event")


class RedisBroker:
    """See `streams.port.Broker`. Dead letters leave their stream when they are committed; what is old and
    done goes by `trim`."""

    def __init__(
        self, url: str, timeout_seconds: float = 5.0, take_over_seconds: float = TAKE_OVER_SECONDS
    ) -> None:
        self.timeout_seconds = timeout_seconds
        self.take_over_ms = round(take_over_seconds * 1000)
        self.redis = redis_client(url, timeout_seconds, awaited=True)
        self._name = mask(url)
        self._closed = False

    def describe(self) -> str:
        return f"streams in {self._name}"

    async def publish(self, stream: str, messages: Sequence[Outgoing]) -> None:
        if not messages:
            return
        with self.answering():
            # One transaction: all of them or none, in order.
            async with self.redis.pipeline(transaction=True) as batch:
                for message in messages:
                    batch.xadd(stream, _fields(message))
                await batch.execute()

    async def consumer(self, stream: str, group: str, name: str) -> "RedisConsumer":
        consumer = RedisConsumer(self, stream, group, name)
        await consumer.join()
        return consumer

    async def browse(self, stream: str, group: str, limit: int) -> Sequence[Message]:
        with self.answering():
            if stream.endswith(DEAD_LETTERS):
                # Committed ones are gone from the stream.
                return _messages(await self.redis.xrange(stream, count=limit))
            groups = {g["name"].decode(): g for g in await _groups(self.redis, stream)}
            if group not in groups:
                return _messages(await self.redis.xrange(stream, count=limit))
            pending = await self.redis.xpending_range(stream, group, "-", "+", limit)
            async with self.redis.pipeline(transaction=False) as batch:
                for entry in pending:
                    batch.xrange(stream, entry["message_id"], entry["message_id"])
                found = [message for entries in await batch.execute() for message in _messages(entries)]
            last = groups[group]["last-delivered-id"].decode()
            found += _messages(await self.redis.xrange(stream, f"({last}", count=limit))
            return found[:limit]

    async def trim(self, stream: str, before_ms: int, *, unread: bool = False) -> int | None:
        with self.answering():
            groups = [] if unread else await _groups(self.redis, stream)
            if not (groups or unread):
                # Nobody has read it yet: no group holds the cut back.
                return 0
            # The server's ids begin with the time of arrival.
            oldest = before_ms
            for group in groups:
                oldest = min(oldest, _arrived_ms(group["last-delivered-id"]))
                pending = await self.redis.xpending(stream, group["name"])
                if pending["min"]:
                    oldest = min(oldest, _arrived_ms(pending["min"]))
            return int(await self.redis.xtrim(stream, minid=f"{max(oldest, 0)}-0", approximate=False))

    async def erase(self, stream: str, wanted: Callable[[Message], bool]) -> int | None:
        gone, beyond = 0, "-"
        with self.answering():
            while entries := await self.redis.xrange(stream, beyond, "+", _ERASED_AT_ONCE):
                ids = [message.id for message in _messages(entries) if wanted(message)]
                if ids:
                    gone += int(await self.redis.xdel(stream, *ids))
                beyond = f"({entries[-1][0].decode()}"
        return gone

    async def close(self) -> None:
        self._closed = True
        with suppress(Exception):
            await self.redis.aclose()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Turn the driver's errors into `StoreUnavailable`, naming the server."""
        import redis

        if self._closed:
            raise StoreUnavailable(f"{self._name}: the connection is closed", remedy="open it again")
        try:
            yield
        except redis.AuthenticationError as error:
            raise StoreUnavailable(f"{self._name}: {error}", remedy="check the password in REDIS_URL") from error
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailable(
                f"{self._name}: {error}", remedy="check that Redis runs and that REDIS_URL is right"
            ) from error


class RedisConsumer:
    """See `streams.port.Consumer`."""

    def __init__(self, broker: RedisBroker, stream: str, group: str, name: str) -> None:
        self._broker = broker
        self._redis = broker.redis
        self._stream = stream
        self._group = group
        self._name = name
        self._own_first = True
        self._looked_at = float("-inf")
        self._closed = False

    async def join(self) -> None:
        """Make the group when it is not there."""
        with self._answering():
            await self._make_group()

    async def _make_group(self) -> None:
        import redis

        try:
            await self._redis.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def receive(self, limit: int, wait_seconds: float) -> Sequence[Message]:
        import redis

        with self._answering():
            try:
                return await self._receive(limit, wait_seconds)
            except redis.ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                # The server lost the stream, or it was deleted: begin anew with what there is.
                await self._make_group()
                return []

    async def _receive(self, limit: int, wait_seconds: float) -> Sequence[Message]:
        if self._own_first:
            # A reader that comes back under its name first does what it left undone.
            own = await self._read("0", limit, None)
            if own:
                return own
            self._own_first = False
        taken_over = await self._take_over(limit)
        if taken_over:
            return taken_over
        # The socket's own time-out must come later than the end of this wait.
        block_ms = round(min(wait_seconds, self._broker.timeout_seconds / 2) * 1000)
        return await self._read(">", limit, max(block_ms, 1))

    async def _read(self, start: str, limit: int, block_ms: int | None) -> list[Message]:
        answer = await self._redis.xreadgroup(
            self._group, self._name, {self._stream: start}, count=limit, block=block_ms
        )
        entries = _entries(answer)
        gone = [entry_id for entry_id, fields in entries if not fields]
        if gone:
            # Trimmed away before anybody did them.
            await self._redis.xack(self._stream, self._group, *gone)
        return _messages([entry for entry in entries if entry[1]])

    async def _take_over(self, limit: int) -> list[Message]:
        """Take what other readers have had for too long; looked for four times in that while."""
        now = time.monotonic()
        if now - self._looked_at < self._broker.take_over_ms / 4000:
            return []
        answer = await self._redis.xautoclaim(
            self._stream, self._group, self._name, min_idle_time=self._broker.take_over_ms, count=limit
        )
        messages = _messages([entry for entry in answer[1] if entry[1]])
        if len(messages) < limit:
            self._looked_at = now
        return messages

    async def commit(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        ids = [message.id for message in messages]
        with self._answering():
            async with self._redis.pipeline(transaction=True) as batch:
                batch.xack(self._stream, self._group, *ids)
                if self._stream.endswith(DEAD_LETTERS):
                    batch.xdel(self._stream, *ids)
                await batch.execute()

    async def lag(self) -> int | None:
        with self._answering():
            for group in await _groups(self._redis, self._stream):
                if group["name"].decode() == self._group:
                    # The server cannot tell after deletions in the middle of a stream.
                    unread = group.get("lag")
                    return None if unread is None else int(unread) + int(group["pending"])
        return 0

    async def others(self) -> bool:
        with self._answering():
            readers = await self._redis.xinfo_consumers(self._stream, self._group)
        return any(one["name"].decode() != self._name and one["idle"] < _THERE_MS for one in readers)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with suppress(Exception):
            # A reader that left nothing undone is forgotten; one that did is remembered until others took that over.
            pending = await self._redis.xpending_range(self._stream, self._group, "-", "+", 1, self._name)
            if not pending:
                await self._redis.xgroup_delconsumer(self._stream, self._group, self._name)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        if self._closed:
            raise StoreUnavailable(f"{self._broker.describe()}: this reader is closed", remedy="open another")
        with self._broker.answering():
            yield


async def _groups(client: Any, stream: str) -> Sequence[Mapping[str, Any]]:
    import redis

    try:
        groups: Sequence[Mapping[str, Any]] = await client.xinfo_groups(stream)
    except redis.ResponseError as error:
        if "no such key" not in str(error):
            raise
        return []
    return groups


def _arrived_ms(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])


def _fields(message: Outgoing) -> dict[bytes, bytes]:
    headers = {_HEADER + name.encode(): text.encode() for name, text in message.headers.items()}
    return {b"key": message.key.encode(), b"value": message.value, **headers}


def _entries(answer: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Return the entries of the one stream asked for; the third version of the protocol answers with a mapping."""
    if not answer:
        return []
    entries = next(iter(answer.values())) if isinstance(answer, dict) else answer[0][1]
    if entries and isinstance(entries[0], list) and entries[0] and isinstance(entries[0][0], list | tuple):
        entries = entries[0]
    return list(entries)


def _messages(entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> list[Message]:
    return [_message(entry_id, fields) for entry_id, fields in entries]


def _message(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Message:
    value = next((fields[name] for name in _VALUES if name in fields), None)
    if value is None:
        value = next(iter(fields.values())) if len(fields) == 1 else b""
    headers = {
        name.removeprefix(_HEADER).decode(errors="replace"): text.decode(errors="replace")
        for name, text in fields.items()
        if name.startswith(_HEADER)
    }
    return Message(entry_id.decode(), fields.get(b"key", b"").decode(errors="replace"), value, headers)
