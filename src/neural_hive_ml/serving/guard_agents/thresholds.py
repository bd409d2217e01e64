"""Limits that give way for a day when too many findings are false, as the platform's own adaptive thresholds do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.serving.guard_agents.threat_rules import Rule

# The platform's figures: above this share of false findings every adaptive limit grows by a tenth.
TOLERATED_RATE: Final = 0.05
STEP: Final = 1.1
# At most one step an hour: the same report sent twice changes nothing. After a day without one, the limits are back.
PAUSE_MS: Final = HOUR_MS
KEPT_MS: Final = DAY_MS


@dataclass(slots=True)
class Thresholds:
    """The factor on adaptive limits, 1 at rest, and when it was last raised (0: never)."""

    factor: float = 1.0
    raised_ms: int = 0

    def recalibrate(self, false_positive_rate: float, now_ms: int) -> bool:
        """Raise the limits when the share of false findings asks for it; return whether it did."""
        self.relax(now_ms)
        if false_positive_rate <= TOLERATED_RATE or now_ms - self.raised_ms < PAUSE_MS:
            return False
        self.factor, self.raised_ms = self.factor * STEP, now_ms
        return True

    def relax(self, now_ms: int) -> None:
        """Return to rest a day after the last step."""
        if self.raised_ms and now_ms - self.raised_ms >= KEPT_MS:
            self.factor, self.raised_ms = 1.0, 0

    def adopt(self, factor: float, raised_ms: int) -> None:
        """Take over what another replica did, when it is newer."""
        if raised_ms > self.raised_ms and factor >= 1.0:
            self.factor, self.raised_ms = factor, raised_ms

    def limits(self, rules: Sequence[Rule]) -> dict[str, float]:
        """Return the adaptive limits as they stand, by the figure they are for."""
        return {rule.field: rule.limit(self.factor) for rule in rules if rule.adaptive}
