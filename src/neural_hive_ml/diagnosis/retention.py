"""Is anything kept longer than its days?"""

from collections.abc import Iterator
from contextlib import closing

from neural_hive_ml.bootstrap import open_state, open_tickets
from neural_hive_ml.clock import DAY_MS, SystemClock
from neural_hive_ml.conventions import TICKETS
from neural_hive_ml.diagnosis.check import Check
from neural_hive_ml.settings import Settings
from neural_hive_ml.upkeep.collections import SETTING_OF
from neural_hive_ml.upkeep.retention import plan


def check_retention(settings: Settings) -> Iterator[Check]:
    """Yield whether a collection holds what should have been pruned."""
    days = {collection: settings.number(name) for collection, name in SETTING_OF.items()}
    # A day of grace: whoever prunes does so once a day.
    cuts = [cut for cut in plan(days, SystemClock().now_ms() - DAY_MS) if cut.before_ms is not None]
    with closing(open_tickets(settings)) as tickets, closing(open_state(settings)) as state:
        late = []
        for cut in cuts:
            if cut.collection == TICKETS:
                oldest = tickets.extent().oldest_ms
                old = oldest is not None and oldest < (cut.before_ms or 0)
            else:
                old = bool(state.find(cut.collection, until_ms=cut.before_ms, limit=1))
            if old:
                late.append(f"{cut.collection} ({cut.days:g} d)")
    if late:
        yield Check("retention", "warning", f"kept longer than its days: {', '.join(late)}", "hive-ml data prune")
    else:
        yield Check("retention", "ok", "nothing is kept longer than its days")
