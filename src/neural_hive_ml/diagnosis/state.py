"""Does the operational state answer, and does anything wait there for a person?"""

from collections.abc import Iterator
from contextlib import closing

from neural_hive_ml.bootstrap import open_state
from neural_hive_ml.conventions import QUARANTINE
from neural_hive_ml.diagnosis.check import Check, judged
from neural_hive_ml.settings import Settings


def check_state(settings: Settings) -> Iterator[Check]:
    """Yield where the state is, and how many documents are in quarantine."""
    with closing(open_state(settings)) as state:
        held = state.count(QUARANTINE)
        yield Check("state", "ok", state.describe())
    yield judged("quarantine", f"{held:,} documents", well=not held, remedy="hive-ml tickets quarantine list")
