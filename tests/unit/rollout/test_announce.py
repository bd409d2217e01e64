"""Promotions and rollbacks reach a webhook once; one that fails is counted and holds nothing up."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.support.ports import closed_port

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.conventions import ANNOUNCEMENTS
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.alias_desk import AliasMove
from neural_hive_ml.rollout.announce import noting, send_waiting
from neural_hive_ml.rollout.webhook import Webhook
from neural_hive_ml.state.memory import MemoryStateStore

AT_MS = 1_800_000_000_000
MOVE = AliasMove("rollback", "load-predictor-60m", 1, 2, "rollout-policy", "flags <30> & more", AT_MS, 7)


@contextmanager
def slack(status: int = 200) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Stand where Slack would, over real HTTP."""
    taken: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/services/T0/secret", taken
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def state() -> Iterator[MemoryStateStore]:
    store = MemoryStateStore()
    note = noting(Ledger(store))
    note(MOVE)
    note(MOVE)  # as around a crash
    yield store
    store.close()


def statuses(state: MemoryStateStore) -> list[str]:
    return [str(r.document["status"]) for r in state.find(ANNOUNCEMENTS)]


def test_a_move_is_told_once(state: MemoryStateStore) -> None:
    with slack() as (url, taken):
        assert send_waiting(state, Webhook(url), now_ms=AT_MS) == 1
        assert send_waiting(state, Webhook(url), now_ms=AT_MS) == 0
    (message,) = taken
    assert message["text"].startswith(":rewind: load-predictor-60m: rolled back to version 1, was 2")
    assert "flags &lt;30&gt; &amp; more" in message["text"], "Slack reads < and & as its own marks"
    assert (message["event"], message["version"], message["actor"]) == ("rollback", 1, "rollout-policy")
    assert statuses(state) == ["sent"]


@pytest.mark.parametrize("status", [404, 500])
def test_a_webhook_that_refuses_is_tried_three_times_and_counted(state: MemoryStateStore, status: int) -> None:
    with slack(status) as (url, taken):
        for _ in range(4):
            assert send_waiting(state, Webhook(url), now_ms=AT_MS) == 0
    assert len(taken) == 3
    (record,) = state.find(ANNOUNCEMENTS)
    assert (record.document["status"], record.document["error"]) == ("failed", f"the webhook answered {status}")


def test_a_webhook_that_is_away_says_nothing_of_its_secret(state: MemoryStateStore) -> None:
    error = Webhook(f"{closed_port()}/services/T0/secret")({"text": "x"})
    assert "ConnectError" in error
    assert "secret" not in error
    assert "does not answer" in Webhook("http://secret:no-port/")({"text": "x"})


def test_old_news_and_news_for_nobody_are_not_sent(state: MemoryStateStore) -> None:
    with slack() as (url, taken):
        send_waiting(state, Webhook(url), now_ms=AT_MS + 2 * DAY_MS)
    assert (taken, statuses(state)) == ([], ["unsent"])
    noting(Ledger(state))(AliasMove("promote", "load-predictor-60m", 3, 1, "ana", "better", AT_MS, 8))
    noting(Ledger(state))(AliasMove("pin", "load-predictor-60m", 3, 3, "ana", "better", AT_MS, 9))
    assert send_waiting(state, None, now_ms=AT_MS) == 0
    assert statuses(state) == ["unsent", "unsent"], "a pin is no news"
