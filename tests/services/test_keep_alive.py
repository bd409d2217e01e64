"""A connection stays open between requests for as long as was said: whoever closes first must be the client."""

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.ports import free_port

APP = """
import sys
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from neural_hive_ml.serving.run import run_app

app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))])
run_app(app, "127.0.0.1", int(sys.argv[1]), **eval(sys.argv[2]))
"""
IDLE_SECONDS = 6.0  # more than the five seconds of uvicorn


@contextmanager
def listening(**options: int) -> Iterator[http.client.HTTPConnection]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", APP, str(port), repr(options)])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        until = time.monotonic() + 60
        while not answers(connection) and time.monotonic() < until:
            time.sleep(0.05)
        yield connection
    finally:
        connection.close()
        process.kill()
        process.wait(10)


def answers(connection: http.client.HTTPConnection) -> bool:
    """Whether a request is answered on the connection as it is."""
    try:
        connection.request("GET", "/")
        return connection.getresponse().read() == b"here"
    except (OSError, http.client.HTTPException):
        connection.close()
        return False


def test_an_unused_connection_outlives_those_of_a_load_balancer() -> None:
    with listening() as patient, listening(keep_alive_seconds=1) as hasty:
        assert answers(patient)
        # Its second may be over since it was last asked; a new connection is then made.
        assert answers(hasty) or answers(hasty)
        time.sleep(IDLE_SECONDS)
        assert answers(patient)
        assert not answers(hasty)
