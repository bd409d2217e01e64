"""How much more rows teach the scheduling predictor, on the whole shipped sample: the table of docs/adr/0008.

    python -m benchmarks.duration_rows [--rows N ...]

Development figures: they chose a limit, they do not test one. Ids `duration.rows.<limit>`.
"""

import argparse
import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from neural_hive_ml.features.binding import bind
from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.sample import sample_tickets
from neural_hive_ml.training.durations import duration_rows
from neural_hive_ml.training.quantiles import fit_quantiles
from neural_hive_ml.training.split import split_by_time

LIMITS = (30_000, 60_000, 120_000, 250_000)


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.duration_rows")
    parser.add_argument("--rows", type=int, nargs="+", default=LIMITS)
    asked = parser.parse_args(arguments)
    columns = columns_of(list(sample_tickets()))
    binding = bind(columns)
    frame, _ = build_frame(columns, binding, ("created", "ended"))
    split = split_by_time(columns, int(columns.completed_at_ms.max()) + 1, 500)
    data = duration_rows(columns, frame.of_stage("created"), split)
    use = data.fit | data.validation
    table = Table(title=f"{int(data.fit.sum()):,} rows to learn from, {int(data.holdout.sum()):,} held out")
    for heading in ("id", "newest rows", "MAE, s", "CPU, s"):
        table.add_column(heading)
    for limit in asked.rows:
        began = time.process_time()
        fitted = fit_quantiles(
            data.rows[use], data.log_duration[use], data.validation[use], seed=42, threads=1, most_rows=limit
        )
        spent = time.process_time() - began
        said = DurationScorer(fitted.quantiles, binding).forecast(data.rows[data.holdout])[:, 1]
        mae_s = float(np.mean(np.abs(said - data.duration_ms[data.holdout]))) / 1000
        table.add_row(f"duration.rows.{limit}", f"{limit:,}", f"{mae_s:,.1f}", f"{spent:,.0f}")
    Console(width=100).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
