"""Structured logs: one line an event, JSON in pods, pretty on a terminal, secrets and payloads redacted.

Events are named `room.thing_happened` (``serving.model_swapped``); what a person must read goes into `message`.
Logs of libraries (uvicorn, mlflow) run through the same formatter. Lines written while a request or a message is handled
have its ids (`observability.tracing`).
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from neural_hive_ml.errors import UsageError
from neural_hive_ml.observability.redaction import masked, redacted
from neural_hive_ml.observability.tracing import line_fields

Format = Literal["auto", "json", "pretty"]
# Libraries that tell every request at INFO; our services count requests instead.
_QUIET = ("httpx", "httpcore", "urllib3", "uvicorn.access", "matplotlib", "cmdstanpy", "prophet", "alembic", "git")


def setup_logs(
    service: str, *, level: str = "INFO", log_format: str = "auto", stream: TextIO | None = None
) -> None:
    """Configure structlog and the standard library's logging for this process; the last call wins.

    Raises
    ------
    UsageError
        For a level or format that does not exist.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise UsageError(f"HIVE_LOG_LEVEL={level!r} is no level", remedy="use DEBUG, INFO, WARNING or ERROR")
    if log_format not in {"auto", "json", "pretty"}:
        raise UsageError(f"HIVE_LOG_FORMAT={log_format!r} is unknown", remedy="use auto, json or pretty")
    out = stream or sys.stderr
    pretty = log_format == "pretty" or (log_format == "auto" and out.isatty())
    shared: list[Processor] = [
        _tell_about,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Service(service),
    ]
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if pretty:
        last += [_redact, structlog.dev.ConsoleRenderer(colors=out.isatty())]
    else:
        last += [structlog.processors.format_exc_info, _redact, _render_json]
    handler = logging.StreamHandler(out)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=last, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # A logger that keeps its set-up would go on under the name, level and form of an earlier one.
        cache_logger_on_first_use=False,
    )


class _Service:
    """Adds the name of the service to each line."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", self._name)
        return event


def _tell_about(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add what the line is about: the ids of the request or message in hand."""
    fields = line_fields.get()
    if fields is not None:
        for name, text in fields().items():
            event.setdefault(name, text)
    return event


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    error = event.pop("exc_info", None)
    clean: MutableMapping[str, Any] = redacted(event)
    if error is not None:
        clean["exc_info"] = error
    return clean


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return msgspec.json.encode(event, enc_hook=lambda value: masked(repr(value))).decode()
