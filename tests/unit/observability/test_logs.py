"""Logs: one JSON line an event, ids bound, secrets and payloads never in it, whichever library wrote it."""

import io
import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from neural_hive_ml.errors import UsageError
from neural_hive_ml.observability.logs import setup_logs
from neural_hive_ml.observability.redaction import LONGEST_TEXT, masked, redacted
from neural_hive_ml.observability.tracing import Trace, continue_trace, traced


@pytest.fixture
def lines():
    out = io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    setup_logs("guard-agents", log_format="json", stream=out)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_has_event_level_time_service_and_trace(lines):
    trace = continue_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    with traced(trace, request_id="r1"):
        structlog.get_logger().warning("serving.model_refused", model_name="load-predictor-60m")
    structlog.get_logger().info("serving.started")
    first, second = lines()
    assert first["event"] == "serving.model_refused"
    assert first["level"] == "warning"
    assert first["service"] == "guard-agents"
    assert first["timestamp"].endswith("Z")
    assert first["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert first["request_id"] == "r1"
    assert "trace_id" not in second


def test_library_logs_take_the_same_form_and_lose_their_secrets(lines):
    logging.getLogger("pymongo").error("cannot reach mongodb://root:hunter2@mongodb:27017")
    (line,) = lines()
    assert line["level"] == "error"
    assert line["event"] == "cannot reach mongodb://***@mongodb:27017"


def test_a_traceback_is_kept_and_masked(lines):
    try:
        int("Authorization: Bearer abcdefghijklmnop")
    except ValueError:
        structlog.get_logger().exception("serving.request_failed", ticket={"parameters": {"card": "4111"}})
    (line,) = lines()
    assert "ValueError" in line["exception"]
    assert "abcdefghijklmnop" not in json.dumps(line)
    assert "4111" not in json.dumps(line)
    assert line["ticket"] == "<mapping of 1>"


def test_what_json_cannot_hold_is_shown_not_raised(lines):
    structlog.get_logger().info("serving.odd", thing=object(), many={1: {2: {3: {4: {5: {6: 7}}}}}})
    assert lines()[0]["event"] == "serving.odd"


def test_wrong_level_or_format_is_a_usage_error():
    with pytest.raises(UsageError, match="no level"):
        setup_logs("x", level="LOUD")
    with pytest.raises(UsageError, match="unknown"):
        setup_logs("x", log_format="xml")


@given(st.text(min_size=8, max_size=40, alphabet="abcdefghijklmnopqrstuvwxyz0123456789"))
def test_no_secret_survives_wherever_it_hides(secret):
    fields = {
        "api_key": secret,
        "HIVE_API_KEYS": secret,
        "uri": f"redis://default:{secret}@redis:6379",
        "nested": {"mongo_password": secret, "list": [f"https://{secret}@host/"]},
        "ticket": {"parameters": {"a": secret}},
        "address": f"cannot reach redis://cache:6379/0?password={secret}&db=1",
        "error": f"header Authorization: Bearer {secret}",
    }
    assert secret not in json.dumps(redacted(fields)).replace("mapping of", "")


def test_long_texts_are_cut_and_say_so():
    assert masked("a" * 5000).endswith("... (5,000 characters)")
    assert len(masked("a" * 5000)) < LONGEST_TEXT + 40


def test_a_trace_is_continued_and_a_malformed_one_is_begun_anew():
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    trace = continue_trace(parent)
    assert (trace.trace_id, trace.parent_id, trace.sampled) == (parent[3:35], parent[36:52], False)
    assert trace.span_id != parent[36:52]
    for bad in (None, "", "nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01", parent + "-x" * 500):
        begun = continue_trace(bad)
        assert begun.parent_id == ""
        assert len(begun.trace_id) == 32
    assert continue_trace(Trace("ab" * 16, "cd" * 8).traceparent).trace_id == "ab" * 16


@pytest.mark.parametrize("password", ["p@ss", "pa/ss", "p@ss/w@rd", "a?b", "a#b", "pa[ss"])
def test_a_password_that_was_not_escaped_is_hidden_too(password):
    said = masked(f"cannot reach mongodb://root:{password}@mongodb:27017/db, see http://docs/page")
    assert said == "cannot reach mongodb://***@mongodb:27017/db, see http://docs/page"
