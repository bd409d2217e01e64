"""Speed against a peer in the same run: ratios are the result, absolute times depend on the machine.

    python -m benchmarks.speed [--json FILE]

Each row is the median of several rounds, ours and the peer's in turn. Ids are permanent.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.table import Table

from neural_hive_ml.clock import DAY_MS, parse_instant
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.features.row import feature_row
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.scoring.booster import pack_booster
from neural_hive_ml.scoring.forest_pack import pack_forest
from neural_hive_ml.tickets.as_of import as_of
from neural_hive_ml.tickets.columns import concat
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.importer import import_tickets
from neural_hive_ml.tickets.port import TicketWindow
from neural_hive_ml.tickets.sample import sample_tickets

ROUNDS = 7
SINCE, DAYS = "2013-09-01", 30


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison; times in microseconds a call, `ratio` peer over ours (above one: ours is quicker)."""

    id: str
    ours_us: float
    peer: str
    peer_us: float | None
    ratio: float | None


def measure(call: Callable[[], object], seconds: float = 0.15) -> float:
    """Return microseconds a call, as many calls as fit into `seconds`."""
    calls, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds or calls < 3:
        call()
        calls += 1
    return spent / calls * 1e6


def versus(bench: str, ours: Callable[[], object], peer_name: str, peer: Callable[[], object] | None) -> Row:
    """Time both in turn."""
    mine, theirs = [], []
    for _ in range(ROUNDS):
        mine.append(measure(ours))
        if peer is not None:
            theirs.append(measure(peer))
    found = median(theirs) if theirs else None
    return Row(bench, median(mine), peer_name, found, found / median(mine) if found else None)


def forest_rows() -> list[Row]:
    """An isolation forest of 100 trees, one row and a thousand, against scikit-learn."""
    from sklearn.ensemble import IsolationForest

    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 20)).astype(np.float32)
    estimator = IsolationForest(n_estimators=100, max_samples=1024, random_state=0, n_jobs=1).fit(x)
    forest = pack_forest(estimator)
    rows = []
    for n in (1, 1000):
        part = x[:n]
        wide = part.astype(np.float64)
        rows.append(
            versus(
                f"speed.forest.{n}",
                lambda wide=wide: forest.score(wide),
                "scikit-learn score_samples",
                lambda part=part: estimator.score_samples(part),
            )
        )
    one, wide = x[:1], x[:1].astype(np.float64)
    rows.append(
        versus(
            "speed.forest.numpy.1", lambda: forest.score(wide, compiled=False), "scikit-learn score_samples",
            lambda: estimator.score_samples(one),
        )
    )  # fmt: skip
    return rows


def booster_rows() -> list[Row]:
    """A boosted model of 250 rounds, one row and a thousand, against xgboost's own predictor."""
    import xgboost as xgb

    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 40)).astype(np.float32)
    y = x[:, 0] * 2 + np.sin(x[:, 1]) + rng.normal(size=len(x))
    library = xgb.train({"max_depth": 6, "nthread": 1}, xgb.DMatrix(x, y), 250)
    booster = pack_booster(bytes(library.save_raw("json")))
    rows = []
    for n in (1, 1000):
        part = x[:n]
        wide = part.astype(np.float64)
        rows.append(
            versus(
                f"speed.booster.{n}",
                lambda wide=wide: booster.margin(wide),
                "xgboost inplace_predict",
                lambda part=part: library.inplace_predict(part),
            )
        )
    return rows


def ticket_rows() -> list[Row]:
    """Import and features of a month of the sample; features one ticket at a time."""
    since = parse_instant(SINCE)
    tickets = list(sample_tickets(since, since + DAYS * DAY_MS))
    rows = []

    def fill() -> None:
        with TemporaryDirectory() as folder:
            import_tickets(tickets, EmbeddedTicketStore(Path(folder)))

    began = time.perf_counter()
    fill()
    each = (time.perf_counter() - began) / len(tickets) * 1e6
    rows.append(Row("speed.import.ticket", each, "-", None, None))
    with TemporaryDirectory() as folder:
        store = EmbeddedTicketStore(Path(folder))
        import_tickets(tickets, store)
        columns = as_of(concat(list(store.blocks(TicketWindow()))), since + DAYS * DAY_MS)
    binding = FeatureBinding()
    began = time.perf_counter()
    frame, _ = build_frame(columns, binding)
    each = (time.perf_counter() - began) / max(len(frame.rows), 1) * 1e6
    rows.append(Row("speed.features.bulk_row", each, "-", None, None))
    statistics, ticket = Statistics(), tickets[1000]
    rows.append(
        versus(
            "speed.features.single_row",
            lambda: feature_row(ticket, "created", ticket.created_at, statistics, binding),
            "-",
            None,
        )
    )
    return rows


def main(arguments: list[str]) -> int:
    """Print the table, and write it as JSON when asked for."""
    rows = [*forest_rows(), *booster_rows(), *ticket_rows()]
    table = Table(title="Speed, one thread")
    for heading in ("id", "ours, us", "peer", "peer, us", "peer / ours"):
        table.add_column(heading)
    for row in rows:
        peer = f"{row.peer_us:,.1f}" if row.peer_us else "-"
        table.add_row(row.id, f"{row.ours_us:,.1f}", row.peer, peer, f"{row.ratio:,.1f}" if row.ratio else "-")
    Console(width=120).print(table)
    if "--json" in arguments:
        Path(arguments[arguments.index("--json") + 1]).write_text(
            json.dumps([asdict(row) for row in rows], indent=2) + "\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
