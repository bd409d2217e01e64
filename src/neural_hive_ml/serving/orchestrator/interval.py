"""The interval of the model that serves now, moved by what is heard of tickets' ends."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.scoring.adaptive import AdaptiveInterval
from neural_hive_ml.scoring.duration import DurationScorer

COVERAGE = 0.8


@dataclass(slots=True)
class LiveInterval:
    """Follows one model version; another one begins where it was calibrated."""

    version: int | None = None
    interval: AdaptiveInterval | None = None

    def moved(
        self, version: int, scorer: DurationScorer, key: str, log_quantiles: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Move [3] log quantiles; `key` names the ticket whose end is waited for, empty for a look at the past."""
        if self.interval is None or version != self.version:
            self.version, self.interval = version, scorer.interval()
        return self.interval.apply(key, log_quantiles) if key else self.interval.moved(log_quantiles)

    def ended(self, key: str, log_duration: float) -> None:
        """Learn from the end of a ticket."""
        if self.interval is not None:
            self.interval.ended(key, log_duration)
