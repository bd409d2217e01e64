"""Whether two statistics remember the same."""

from neural_hive_ml.features import layout as at
from neural_hive_ml.features.statistics import Statistics


def assert_same_memory(left: Statistics, right: Statistics) -> None:
    """Every key remembers the same bits, whatever slot it lives in."""
    assert (left.as_of_ms, left.sequence) == (right.as_of_ms, right.sequence)
    for scope, mine, theirs in zip(at.SCOPES, left.slots, right.slots, strict=True):
        assert mine.keys() == theirs.keys()
        name = "full" if scope in at.FULL_SCOPES else "slim" if scope in at.SLIM_SCOPES else "pairs"
        name = "hours" if scope in at.HOUR_SCOPES else name
        for key in mine:
            a, b = getattr(left.tables, name)[mine[key]], getattr(right.tables, name)[theirs[key]]
            assert a.tobytes() == b.tobytes(), f"{scope} {key}"
