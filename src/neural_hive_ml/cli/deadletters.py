"""`hive-ml deadletters`: messages that could not be done, why, and putting them back."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from neural_hive_ml.bootstrap_streams import consumed_streams, open_broker
from neural_hive_ml.clock import iso
from neural_hive_ml.errors import UsageError
from neural_hive_ml.settings import load_settings
from neural_hive_ml.streams.dead_letters import DeadLetter, listed, replay
from neural_hive_ml.streams.port import Broker

T = TypeVar("T")
_SHOWN_CHARACTERS = 200
_STREAM = click.option("--stream", metavar="NAME", help="Stream or topic; default: all that guard-agents reads.")


@click.group("deadletters")
def deadletters_command() -> None:
    """Messages of a stream that could not be done: see why, mend the cause, put them back."""


@deadletters_command.command("list")
@_STREAM
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def list_command(stream: str | None, limit: int, as_json: bool) -> None:
    """List messages that were given up and not replayed, oldest first.

    Example: hive-ml deadletters list --json | jq -r .[].reason | sort | uniq -c
    """

    async def found(broker: Broker, streams: Sequence[str]) -> list[DeadLetter]:
        letters = [letter for name in streams for letter in await listed(broker, name, limit)]
        return sorted(letters, key=lambda letter: letter.at_ms)[:limit]

    letters = _with_broker(found, stream)
    if as_json:
        click.echo(json.dumps([_document(letter) for letter in letters], indent=2))
        return
    table = Table(title=f"{len(letters)} dead letters")
    for heading in ("given up", "source", "attempts", "replayed", "reason", "message"):
        table.add_column(heading, overflow="fold")
    for letter in letters:
        text = letter.message.value[:_SHOWN_CHARACTERS].decode(errors="backslashreplace")
        when = iso(letter.at_ms)
        table.add_row(when, letter.source, str(letter.attempts), str(letter.replays), letter.reason, text)
    Console(markup=False).print(table)


@deadletters_command.command("replay")
@_STREAM
@click.option("--limit", type=click.IntRange(1), help="Put back at most so many.")
def replay_command(stream: str | None, limit: int | None) -> None:
    """Put messages back into their stream, oldest first; what still cannot be done comes back here.

    Example: hive-ml deadletters replay --limit 10
    """

    async def put_back(broker: Broker, streams: Sequence[str]) -> int:
        done = 0
        for name in streams:
            done += await replay(broker, name, None if limit is None else limit - done)
            if done == limit:
                break
        return done

    done = _with_broker(put_back, stream)
    click.echo(f"{done:,} messages put back")


def _with_broker(action: Callable[[Broker, Sequence[str]], Awaitable[T]], stream: str | None) -> T:
    settings = load_settings()
    broker = open_broker(settings)
    if broker is None:
        raise UsageError("no stream is configured", remedy="set REDIS_URL or KAFKA_BOOTSTRAP_SERVERS")
    names = (stream,) if stream else tuple(consumed.topic for consumed in consumed_streams(settings))
    click.echo(f"{broker.describe()}: {', '.join(names)}", err=True)

    async def act() -> T:
        try:
            return await action(broker, names)
        finally:
            await broker.close()

    return asyncio.run(act())


def _document(letter: DeadLetter) -> dict[str, Any]:
    document = asdict(letter)
    document["message"]["value"] = letter.message.value.decode(errors="backslashreplace")
    return document
