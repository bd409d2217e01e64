"""Who calls, in the log once an hour: a key whose id no line names any more can be taken away."""

from dataclasses import dataclass, field
from typing import Final

import structlog

from neural_hive_ml.serving.http.auth import Caller

EVERY_SECONDS: Final = 3600.0
# Tokens may have any number of subjects; beyond this many all are told again.
_MOST: Final = 1_000
_log = structlog.get_logger("serving")


@dataclass(slots=True)
class CallerLog:
    """Which callers were named, and when; one an app."""

    _told: dict[str, float] = field(default_factory=dict)

    def note(self, caller: Caller, now_seconds: float) -> None:
        """Name a caller unless it was named within the hour; `now_seconds` is of a clock that only goes on."""
        told = self._told.get(caller.key_id)
        if told is not None and now_seconds - told < EVERY_SECONDS:
            return
        if len(self._told) >= _MOST:
            self._told.clear()
        self._told[caller.key_id] = now_seconds
        _log.info("serving.caller_seen", caller=caller.key_id, roles=sorted(caller.roles))
