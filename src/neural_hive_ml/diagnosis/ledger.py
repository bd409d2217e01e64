"""Is the ledger the one that was written, and does somebody look at that again and again?"""

from collections.abc import Iterator
from contextlib import closing
from typing import Final

from neural_hive_ml.bootstrap import open_ledger, open_state
from neural_hive_ml.clock import HOUR_MS, SystemClock, iso
from neural_hive_ml.conventions import EXIT_FAILURE
from neural_hive_ml.diagnosis.check import Check, judged
from neural_hive_ml.ledger.chain import Verification
from neural_hive_ml.ledger.checks import last_checked
from neural_hive_ml.settings import Settings

# The job runs every hour; alerts wait as long.
_LATE_MS: Final = 3 * HOUR_MS


def check_ledger(settings: Settings) -> Iterator[Check]:
    """Yield what a verification finds now, O(decisions), and whether the last one on record is new enough."""
    with closing(open_state(settings)) as state:
        found = open_ledger(settings, state).verify()
        last = last_checked(state)
    yield _standing(found, settings.text("LEDGER_ANCHOR_DIR"))
    if last is None:
        detail = "never" if found.events else "never, and nothing was decided yet"
        yield judged("ledger verified", detail, well=not found.events, remedy="hive-ml ledger verify --record")
        return
    late = SystemClock().now_ms() - last.at_ms > _LATE_MS
    detail = f"{iso(last.at_ms)}: {last.standing}, {last.events:,} decisions"
    yield judged("ledger verified", detail, well=not late, remedy="hive-ml upkeep loop: it does so every hour")


def _standing(found: Verification, folder: str) -> Check:
    if not found.intact:
        return Check("ledger", "failed", found.faults[0], "hive-ml ledger verify", EXIT_FAILURE)
    if found.standing == "unanchored":
        detail = (
            f"{found.events:,} decisions fit together; whether they are all cannot be told without a head file"
        )
        return Check(
            "ledger", "unknown", detail, f"export LEDGER_ANCHOR_DIR: where the head file is, not {folder}"
        )
    return Check("ledger", "ok", f"{found.events:,} decisions, intact")
