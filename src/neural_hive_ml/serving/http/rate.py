"""How often a key may call: a bucket of tokens each, filled at the rate, as many as two seconds' worth. Pure."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

# Callers remembered; beyond, the one that was quiet longest begins anew with a full bucket.
_MOST_CALLERS: Final = 10_000
_BURST_SECONDS: Final = 2.0


@dataclass(slots=True)
class RateLimit:
    """At most `per_second` requests of each caller in the long run, twice as many at once (at least one)."""

    per_second: float
    _buckets: "OrderedDict[str, tuple[float, float]]" = field(default_factory=OrderedDict)

    def take(self, caller: str, now_s: float) -> float:
        """Take a token at `now_s` (any steady clock); return 0, or the seconds until there will be one.

        >>> limit = RateLimit(1.0)
        >>> [limit.take("a", 0.0) for _ in range(3)], limit.take("b", 0.0), limit.take("a", 1.0)
        ([0.0, 0.0, 1.0], 0.0, 0.0)
        """
        most = max(self.per_second * _BURST_SECONDS, 1.0)
        tokens, at_s = self._buckets.pop(caller, (most, now_s))
        tokens = min(most, tokens + max(now_s - at_s, 0.0) * self.per_second)
        allowed = tokens >= 1.0
        self._buckets[caller] = (tokens - 1.0 if allowed else tokens, now_s)
        if len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - tokens) / self.per_second
