"""Are there tickets, are they new, and are they found by an index?"""

from collections.abc import Iterator
from contextlib import closing

from neural_hive_ml.bootstrap import open_tickets
from neural_hive_ml.clock import DAY_MS, HOUR_MS, SystemClock, iso
from neural_hive_ml.conventions import EXIT_NOT_ENOUGH_DATA
from neural_hive_ml.diagnosis.check import Check, judged
from neural_hive_ml.settings import Settings

STALE_AFTER_MS = 6 * HOUR_MS


def check_tickets(settings: Settings) -> Iterator[Check]:
    """Yield how many tickets there are, how old the newest event is, and which indexes are missing."""
    with closing(open_tickets(settings)) as store:
        extent, where = store.extent(), store.describe()
        if extent.newest_event_ms is None or extent.oldest_ms is None:
            yield Check(
                "tickets",
                "failed",
                f"{where} holds no ticket",
                "hive-ml tickets import FILE",
                EXIT_NOT_ENOUGH_DATA,
            )
            return
        yield Check("tickets", "ok", f"{where}: {extent.tickets:,} tickets since {iso(extent.oldest_ms)}")
        age_ms = SystemClock().now_ms() - extent.newest_event_ms
        if age_ms < -HOUR_MS:
            yield Check(
                "clock tickets",
                "warning",
                f"the newest ticket lies {-age_ms / HOUR_MS:,.1f} h in the future",
                "timedatectl, here and where the platform writes tickets",
            )
        yield judged(
            "freshness",
            f"newest event {iso(extent.newest_event_ms)}, {max(age_ms, 0) / DAY_MS:,.1f} days ago",
            well=age_ms <= STALE_AFTER_MS,
            remedy="old log: train with --as-of newest; live platform: look why tickets stopped",
        )
        missing = list(getattr(store, "missing_indexes", list)())
        if missing:
            yield Check("ticket indexes", "warning", f"missing: {', '.join(missing)}", "hive-ml tickets index")
