"""The service, MLflow's pyfunc and training's code give the same answer about the same ticket and statistics."""

from pathlib import Path

from benchmarks.parity import compare


def test_three_ways_one_answer(tmp_path: Path) -> None:
    """The full count, 10,000 tickets, is in `python -m benchmarks.parity`."""
    rows = compare(tmp_path, 300)
    assert [row.id for row in rows] == [
        "parity.anomaly.created", "parity.anomaly.ended", "parity.scheduling.created",
    ]  # fmt: skip
    for row in rows:
        assert (row.answers, row.other_verdicts) == (300, 0), row
        assert max(row.service_off, row.pyfunc_off) <= 1e-9, row
