"""Logs: one JSON line an event, ids bound, secrets and payloads never in it, whichever library wrote it."""

import json
import logging
import secrets
from io import StringIO

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from tests.support.log_lines import logged_lines

from neural_hive_ml.errors import UsageError
from neural_hive_ml.observability.logs import setup_logs
from neural_hive_ml.observability.redaction import LONGEST_TEXT, masked, redacted
from neural_hive_ml.observability.tracing import continue_trace, line_fields, parent_of


@pytest.fixture
def lines():
    with logged_lines() as read:
        yield read


def test_a_line_has_event_level_time_service_and_what_it_is_about(lines):
    asked = []

    def about():
        asked.append(1)
        return {"trace_id": "0af7651916cd43dd8448eb211c80319c", "request_id": "r1", "event": "never this"}

    token = line_fields.set(about)
    structlog.get_logger().debug("serving.not_written")
    assert not asked  # a line that is not written costs nothing
    structlog.get_logger().warning("serving.model_refused", model_name="load-predictor-60m")
    logging.getLogger("pymongo").warning("a library's line")
    line_fields.reset(token)
    structlog.get_logger().info("serving.started")
    first, library, second = lines()
    assert library["trace_id"] == first["trace_id"]
    assert first["event"] == "serving.model_refused"
    assert first["level"] == "warning"
    assert first["service"] == "guard-agents"
    assert first["timestamp"].endswith("Z")
    assert first["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert first["request_id"] == "r1"
    assert "trace_id" not in second


def test_the_last_set_up_counts_for_loggers_that_have_written_before(lines):
    logger = structlog.get_logger()
    logger.info("early")
    out = StringIO()
    setup_logs("approval-service", level="INFO", log_format="json", stream=out)
    logger.info("late")
    assert [line["service"] for line in lines()] == ["guard-agents"]
    assert json.loads(out.getvalue())["service"] == "approval-service"
    with structlog.testing.capture_logs() as captured:
        logger.info("captured")
    assert [entry["event"] for entry in captured] == ["captured"]


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


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


def test_a_trace_is_continued_and_a_malformed_one_is_begun_anew():
    chance = secrets.token_hex(24)
    trace = continue_trace(PARENT, chance)
    assert (trace.trace_id, trace.parent_id, trace.sampled) == (PARENT[3:35], PARENT[36:52], False)
    assert trace.span_id == chance[32:]
    for bad in ("", "nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01", PARENT + "-x" * 500, PARENT.upper()):
        begun = continue_trace(bad, chance)
        assert (begun.trace_id, begun.span_id, begun.parent_id, begun.sampled) == (
            chance[:32],
            chance[32:],
            "",
            True,
        )


@given(
    st.one_of(
        st.from_regex(r"(00|01|cc|ff)-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[a-z]{0,3})?", fullmatch=True),
        st.from_regex(
            r"0[0-9a-fA-F]-(0{32}|[0-9a-g]{31,33})-(0{16}|[0-9a-f]{15,17})-[0-9a-f]{1,3}", fullmatch=True
        ),
        st.text(max_size=60),
        st.builds(lambda at, sign: PARENT[:at] + sign + PARENT[at + 1 :], st.integers(0, 54), st.characters()),
    )
)
def test_a_traceparent_is_read_as_opentelemetry_reads_it(header):
    from opentelemetry.trace import INVALID_SPAN_CONTEXT, get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    header = header.strip()  # a server hands headers on without the blanks around them
    read = TraceContextTextMapPropagator().extract({"traceparent": header})
    theirs = get_current_span(read).get_span_context()
    ours = parent_of(header)
    if ours is None:
        assert theirs == INVALID_SPAN_CONTEXT
    else:
        told = (int(ours.trace_id, 16), int(ours.span_id, 16), ours.sampled)
        assert told == (theirs.trace_id, theirs.span_id, theirs.trace_flags.sampled)


@pytest.mark.parametrize("password", ["p@ss", "pa/ss", "p@ss/w@rd", "a?b", "a#b", "pa[ss"])
def test_a_password_that_was_not_escaped_is_hidden_too(password):
    said = masked(f"cannot reach mongodb://root:{password}@mongodb:27017/db, see http://docs/page")
    assert said == "cannot reach mongodb://***@mongodb:27017/db, see http://docs/page"
