"""The operator's hand on the policy: pause until a moment, with who and why."""

from dataclasses import dataclass

from neural_hive_ml.conventions import RETRAINING_CONTROL
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.state.port import Record, StateStore

_KEY = "pause"


@dataclass(frozen=True, slots=True)
class Pause:
    """Automatic retraining rests until `until_ms`."""

    until_ms: int
    actor: str
    reason: str


def pause_of(state: StateStore) -> Pause | None:
    """Return the pause that was set last, over or not."""
    record = state.get(RETRAINING_CONTROL, _KEY)
    return None if record is None else Pause(**record.document)


def paused_until(state: StateStore, now_ms: int) -> int | None:
    """Return until when automatic retraining rests, None when it does not."""
    pause = pause_of(state)
    return pause.until_ms if pause is not None and pause.until_ms > now_ms else None


def set_pause(state: StateStore, ledger: Ledger, pause: Pause, *, at_ms: int) -> None:
    """Pause (or resume, with an `until_ms` that has passed) and write the decision down."""
    document = {"until_ms": pause.until_ms, "actor": pause.actor, "reason": pause.reason}
    state.put(RETRAINING_CONTROL, Record(_KEY, at_ms, document))
    until = pause.until_ms if pause.until_ms > at_ms else None
    ledger.append(
        "pause", "retraining", {"until_ms": until, "reason": pause.reason}, at_ms=at_ms, actor=pause.actor
    )
