"""What a service's log says, as its lines of JSON."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from neural_hive_ml.observability.logs import setup_logs

Lines = Callable[[], list[dict[str, Any]]]


@contextmanager
def logged_lines() -> Iterator[Lines]:
    """Log as guard-agents does into memory; yield what reads the lines so far. The set-up of before is put back."""
    out, root = io.StringIO(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    setup_logs("guard-agents", log_format="json", stream=out)
    try:
        yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
