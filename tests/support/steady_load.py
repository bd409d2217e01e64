"""A steady stream of requests from a process of its own, each timed from the moment it was due.

Who cannot keep the pace (the service, or this machine) by more than a second goes on from there: the rate is then lower.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONNECTIONS = 16


@dataclass(frozen=True)
class Answered:
    """One request: due, sent and answered (epoch seconds), status (0: no answer, `why`), and what the answer said."""

    due: float
    sent: float
    done: float
    status: int
    version: int | None
    threshold: float | None
    degraded: bool
    why: str = ""

    @property
    def ms(self) -> float:
        """Milliseconds from when it was due."""
        return (self.done - self.due) * 1000


@contextmanager
def steady_load(
    folder: Path, address: str, path: str, bodies: Sequence[bytes], per_second: float
) -> Iterator[list[Answered]]:
    """Send requests until the block ends; the list is filled then."""
    (folder / "bodies.json").write_text(json.dumps([body.decode() for body in bodies]))
    results, stop = folder / "answers.json", folder / "stop"
    command = [sys.executable, "-m", __name__, address, path, str(per_second), str(folder)]
    process = subprocess.Popen(command)
    found: list[Answered] = []
    try:
        yield found
    finally:
        stop.touch()
        try:
            process.wait(60)
        finally:
            process.kill()
    found += [Answered(*row) for row in json.loads(results.read_text())]


async def _send(
    connection: "tuple[asyncio.StreamReader, asyncio.StreamWriter]", head: bytes, body: bytes
) -> tuple[int, dict[str, Any]]:
    reader, writer = connection
    writer.write(head + str(len(body)).encode() + b"\r\n\r\n" + body)
    await writer.drain()
    text = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(text.split("content-length: ")[1].split("\r\n")[0])
    content = await reader.readexactly(length)
    document = json.loads(content)
    return int(text.split(" ", 2)[1]), document if isinstance(document, dict) else {}


async def _main(address: str, path: str, per_second: float, folder: Path) -> None:
    host, port = address.removeprefix("http://").split(":")
    bodies = [body.encode() for body in json.loads((folder / "bodies.json").read_text())]
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: ".encode()
    answers: list[tuple[Any, ...]] = []
    begun, number = time.time(), 0

    async def work() -> None:
        nonlocal number, begun
        connection = None
        while not (folder / "stop").exists():
            mine, number = number, number + 1
            due = begun + mine / per_second
            await asyncio.sleep(max(due - time.time(), 0))
            status, said, why = 0, {}, ""
            sent = time.time()
            # From the beginning as it is now: one stall must not be allowed for once by each connection, or all of them
            # pause so long that the server closes them.
            begun += max(sent - (begun + mine / per_second) - 1.0, 0.0)
            try:
                if connection is None:
                    connection = await asyncio.open_connection(host, int(port))
                status, said = await asyncio.wait_for(_send(connection, head, bodies[mine % len(bodies)]), 30)
            except (OSError, EOFError, ValueError, IndexError, TimeoutError) as error:
                connection, why = None, f"{type(error).__name__}: {error}"[:80]
            known = said.get("model_version"), said.get("threshold"), bool(said.get("degraded"))
            answers.append((due, sent, time.time(), status, *known, why))

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    (folder / "answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], float(sys.argv[3]), Path(sys.argv[4])))
