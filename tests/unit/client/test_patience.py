"""Calls end in bounded time after a bounded number of tries, whatever the other side does; nothing heavy is imported."""

import asyncio
import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.ports import black_hole, closed_port

from neural_hive_ml.client import ApiProblem, AsyncClient, Client, Patience, Target, Unreachable
from neural_hive_ml.errors import UsageError


@given(st.integers(1, 6), st.none() | st.floats(0, 100), st.floats(0, 0.999), st.floats(0, 10), st.integers(1, 5))
def test_pauses_fit_into_what_is_left(
    tried: int, asked: float | None, draw: float, left: float, tries: int
) -> None:
    pause = Patience(tries=tries).pause(tried, asked, draw, left)
    if pause is not None:
        assert tried < tries
        assert 0 <= pause < left
        assert asked is None or pause >= asked


@contextmanager
def dripping(head: bytes) -> Iterator[tuple[Target, threading.Event]]:
    """A server that says `head` at once and then a byte now and then, for ever; the event is set when its caller leaves."""
    left, over = threading.Event(), threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            try:
                self.request.sendall(head)
                while not over.wait(0.05):
                    self.request.sendall(b"x")
            except OSError:
                left.set()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Target(orchestrator=f"http://127.0.0.1:{server.server_address[1]}"), left
        finally:
            over.set()
            server.shutdown()
            thread.join()


@contextmanager
def answering(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[Target, list[str]]]:
    """A server that gives these answers in turn, the last one for ever; its log of requests."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answers[min(len(seen), len(answers) - 1)]
            seen.append(self.headers.get("authorization", ""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Target(orchestrator=f"http://127.0.0.1:{server.server_port}", api_key="secret"), seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


FINE = (200, {}, b'{"horizon_minutes": 60, "at_ms": 1, "degraded": false, "total": 2.5}')
BUSY = (503, {"retry-after": "0"}, b"busy")


def test_a_busy_service_is_asked_again_and_the_key_is_sent() -> None:
    with answering(BUSY, FINE) as (target, seen), Client(target) as hive:
        assert hive.forecast().total == 2.5
    assert seen == ["Bearer secret"] * 2
    assert "secret" not in repr(target)


def test_it_gives_up_after_its_tries_and_says_what_the_service_said() -> None:
    with (
        answering(BUSY) as (target, seen),
        Client(target, Patience(tries=3)) as hive,
        pytest.raises(ApiProblem) as problem,
    ):
        hive.forecast()
    assert (problem.value.status, len(seen)) == (503, 3)


def test_a_refusal_or_nonsense_is_not_asked_again() -> None:
    for answer in ((400, {}, b'{"title": "Bad request"}'), (200, {}, b"<html>")):
        with answering(answer) as (target, seen), Client(target) as hive, pytest.raises(ApiProblem):
            hive.forecast()
        assert len(seen) == 1


def test_a_service_that_asks_for_more_time_than_there_is_does_not_get_it() -> None:
    with (
        answering((429, {"retry-after": "3600"}, b"{}")) as (target, seen),
        Client(target) as hive,
        pytest.raises(ApiProblem) as problem,
    ):
        hive.forecast()
    assert (problem.value.status, len(seen)) == (429, 1)


# Which of a caller's two limits ends a try, and how many it then makes; neither limit is near the other.
LIMITS = {
    "each try": (Patience(total_seconds=60, try_seconds=0.3, tries=2), 2),
    "all together": (Patience(total_seconds=1, try_seconds=60, tries=4), 1),
}
DRIPS = {
    "in its headers": b"HTTP/1.1 200 OK\r\nx-long: ",
    "in its body": b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{",
}


@pytest.mark.parametrize("head", DRIPS.values(), ids=DRIPS)
@pytest.mark.parametrize(("patience", "tries"), LIMITS.values(), ids=LIMITS)
def test_a_server_that_drips_holds_nobody(head: bytes, patience: Patience, tries: int) -> None:
    with dripping(head) as (target, left), Client(target, patience) as hive:
        began = time.monotonic()
        with pytest.raises(Unreachable, match="no whole answer") as error:
            hive.forecast()
        assert time.monotonic() - began < 5
        assert left.wait(5)
    assert error.value.tries == tries


def test_nor_an_asyncio_program() -> None:
    async def ask(target: Target) -> None:
        async with AsyncClient(target, LIMITS["all together"][0]) as hive:
            await hive.forecast()

    with dripping(DRIPS["in its body"]) as (target, left):
        with pytest.raises(Unreachable):
            asyncio.run(ask(target))
        assert left.wait(5)


def test_nobody_there_is_known_within_the_patience() -> None:
    with black_hole() as silent:
        for address in (silent, closed_port()):
            with Client(Target(orchestrator=address), LIMITS["all together"][0]) as hive:
                began = time.monotonic()
                with pytest.raises(Unreachable) as error:
                    hive.forecast()
                # Whatever else runs on this machine.
                assert time.monotonic() - began < 5
            assert 1 <= error.value.tries <= 4


def test_threads_share_a_client_and_a_forked_process_has_its_own() -> None:
    with answering(FINE) as (target, seen), Client(target) as hive:
        with ThreadPoolExecutor(8) as pool:
            assert {answer.total for answer in pool.map(lambda _: hive.forecast(), range(16))} == {2.5}
        child = os.fork()
        if child == 0:
            os._exit(0 if hive.forecast().total == 2.5 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert hive.forecast().total == 2.5
    assert len(seen) == 18


def test_the_key_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" k1 \n")
    assert Target.from_environment({"HIVE_API_KEY_FILE": str(tmp_path / "key")}).api_key == "k1"
    assert Target.from_environment({"HIVE_API_KEY": "k2", "HIVE_API_KEY_FILE": "/nowhere"}).api_key == "k2"
    with pytest.raises(UsageError, match="HIVE_API_KEY_FILE"):
        Target.from_environment({"HIVE_API_KEY_FILE": str(tmp_path / "absent")})


def test_importing_the_client_imports_nothing_heavy() -> None:
    code = (
        "import sys, neural_hive_ml.client;"
        "print(sorted({m.partition('.')[0] for m in sys.modules} &"
        " {'numpy', 'pandas', 'pyarrow', 'mlflow', 'sklearn', 'starlette', 'cryptography', 'structlog', 'xgboost'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
