"""Messages that cannot be done: kept beside their stream with the reason, shown, and put back when mended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from neural_hive_ml.streams.port import DEAD_LETTERS, Broker, Message, Outgoing

REPLAY_GROUP: Final = "hive-ml-replay"
_REASON, _SOURCE, _AT, _ATTEMPTS, _REPLAYS = (
    "dead-reason",
    "dead-source",
    "dead-at-ms",
    "dead-attempts",
    "dead-replays",
)
_OURS: Final = frozenset({_REASON, _SOURCE, _AT, _ATTEMPTS})
_MOST_REASON: Final = 2_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up at `at_ms` (UTC epoch ms) after `attempts`, and how often it was replayed before."""

    message: Message
    reason: str
    source: str
    at_ms: int
    attempts: int
    replays: int


def dead_letters_of(stream: str) -> str:
    """Return the name of the stream of what was given up of a stream.

    >>> dead_letters_of("execution.tickets")
    'execution.tickets.dead-letters'
    """
    return stream + DEAD_LETTERS


async def bury(broker: Broker, stream: str, message: Message, *, reason: str, attempts: int, at_ms: int) -> None:
    """Keep a message aside; when this returns it may be committed."""
    headers = {
        **message.headers,
        _REASON: reason[:_MOST_REASON],
        _SOURCE: f"{stream}/{message.id}",
        _AT: str(at_ms),
        _ATTEMPTS: str(attempts),
    }
    await broker.publish(dead_letters_of(stream), [Outgoing(message.key, message.value, headers)])


async def listed(broker: Broker, stream: str, limit: int) -> Sequence[DeadLetter]:
    """Return the oldest dead letters of a stream that were not replayed."""
    return [_letter(m) for m in await broker.browse(dead_letters_of(stream), REPLAY_GROUP, limit)]


async def replay(broker: Broker, stream: str, limit: int | None = None, *, name: str = "replay") -> int:
    """Put dead letters back into their stream, oldest first; return how many.

    A crash in between costs a second replay, never a message. What still cannot be done comes back here.
    """
    consumer = await broker.consumer(dead_letters_of(stream), REPLAY_GROUP, name)
    done = 0
    try:
        # Only what is there now: what comes back meanwhile waits for the next replay.
        left = await consumer.lag() or len(await broker.browse(dead_letters_of(stream), REPLAY_GROUP, 10_000))
        left = left if limit is None else min(left, limit)
        while done < left:
            messages = await consumer.receive(min(left - done, 500), 1.0)
            if not messages:
                break
            await broker.publish(stream, [_put_back(message) for message in messages])
            await consumer.commit(messages)
            done += len(messages)
    finally:
        await consumer.close()
    return done


def _put_back(message: Message) -> Outgoing:
    headers = {name: text for name, text in message.headers.items() if name not in _OURS}
    headers[_REPLAYS] = str(_number(headers.get(_REPLAYS)) + 1)
    return Outgoing(message.key, message.value, headers)


def _letter(message: Message) -> DeadLetter:
    of = message.headers
    return DeadLetter(
        message,
        of.get(_REASON, ""),
        of.get(_SOURCE, ""),
        _number(of.get(_AT)),
        _number(of.get(_ATTEMPTS)),
        _number(of.get(_REPLAYS)),
    )


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdigit() else 0
