"""The anomaly detectors on logs with injected anomalies, with verdicts, on real outcomes, and on public labelled sets.

    python -m benchmarks.anomaly [--log NAME] [--no-verdicts] [--json FILE]

Kinds and magnitudes are those of `evaluation/injections.yaml`, 2 % of the tickets after the fit part, seed 42. The last
quarter of a log judges, in time; thresholds are chosen on the 15 % before it. Intervals: 95 %, blocks of six hours.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.anomaly_audit import audited_precision, genuine_outliers
from benchmarks.anomaly_logs import SEED, STAGE, Log, answers, fitted, measured, prepare, recall_by_kind
from benchmarks.anomaly_sets import flight_outcomes, labelled_tables
from benchmarks.anomaly_verdicts import taught
from benchmarks.quality import datasets
from neural_hive_ml.cli.training_report import figure
from neural_hive_ml.evaluation.verdict import Metric
from neural_hive_ml.training.anomaly_baselines import raw_forest

Row = tuple[str, ...]
ALGORITHMS = ("isolation_forest", "autoencoder")
_FIGURES = ("F1", "precision", "recall", "average precision")
TABLES = {
    "injected": ("id", "log", "stage", "detector", "kinds", *_FIGURES, "anomalies"),
    "kinds": ("id", "log", "stage", "kind", "given away by a constant field", "recall", "tickets"),
    "audit": ("id", "log", "precision", "with outliers as hits", "false alarms", "outliers among them",
              "outliers among all untouched"),
    "verdicts": ("id", "log", "detector", "verdicts", "of them anomalies", *_FIGURES),
    "flights": ("id", "outcome", "stage", "positives", "average precision", "raw forest", "rate"),
    "public sets": ("id", "set", "rows", "anomalies", "ours", "scikit-learn", "largest difference of a score"),
}  # fmt: skip
Tables = dict[str, list[Row]]


def _cells(metrics: tuple[Metric, ...]) -> Row:
    told = {m.name: m for m in metrics}
    return tuple(figure(told[name]) for name in ("f1", "precision", "recall", "average_precision"))


def of_log(log: Log, tables: Tables, *, with_verdicts: bool) -> None:
    """Measure everything that one log can tell."""
    detectors = {algorithm: fitted(log, algorithm) for algorithm in ALGORITHMS}
    for stage in ("ended", "running"):
        told = {name: answers(scorer, log, stage) for name, scorer in detectors.items()}
        told["forest on raw fields"] = raw_forest(log.judged, SEED, STAGE[stage])
        for name, (flagged, score) in told.items():
            for kinds, without in (("all", ()), ("not given away", tuple(log.given_away))):
                metrics = measured(log, stage, flagged, score, without)
                tables["injected"].append(
                    (f"anomaly.{log.name}.{stage}.{name}.{kinds}".replace(" ", "_"), log.name, stage, name, kinds,
                     *_cells(metrics), str(metrics[0].positives))
                )  # fmt: skip
        for kind, (recall, count) in recall_by_kind(log, stage, told["isolation_forest"][0]).items():
            away = "yes" if kind in log.given_away else "no"
            tables["kinds"].append(
                (
                    f"anomaly.{log.name}.{stage}.kind.{kind}",
                    log.name,
                    stage,
                    kind,
                    away,
                    f"{recall:.2f}",
                    str(count),
                )
            )
    tables["audit"].append(_audit(log, answers(detectors["isolation_forest"], log, "ended")[0]))
    if log.name == "flights2013":
        for name, stage, count, ours, theirs, rate in flight_outcomes(log, detectors["isolation_forest"]):
            row = (f"anomaly.outcome.{name}.{stage}".replace(" ", "_"), name, stage, str(count))
            tables["flights"].append((*row, f"{ours:.4f}", f"{theirs:.4f}", f"{rate:.4f}"))
    if with_verdicts:
        tables["verdicts"].extend(_of_verdicts(log))


def _audit(log: Log, flagged: object) -> Row:
    mine = log.rows("ended")
    outliers = frozenset(log.columns.ticket_id[genuine_outliers(log.columns)].tolist())
    label, ids = log.judged.label[mine], log.judged.ticket_id[mine]
    audited, false, excused, base = audited_precision(ids, label, flagged, outliers)  # type: ignore[arg-type]
    plain = float((flagged * label).sum() / max(flagged.sum(), 1.0))  # type: ignore[attr-defined, operator]
    row = (f"anomaly.{log.name}.audit", log.name, f"{plain:.3f}", f"{audited:.3f}")
    return (*row, str(false), str(excused), f"{base:.1%}")


def _of_verdicts(log: Log) -> Iterator[Row]:
    for one in taught(log):
        name = "learned" if one.verdicts else "isolation_forest"
        row = (
            f"anomaly.{log.name}.verdicts.{one.verdicts}",
            log.name,
            name,
            f"{one.verdicts:,}",
            f"{one.anomalies:,}",
        )
        yield (*row, *_cells(one.metrics))


def main(arguments: list[str]) -> int:
    """Print the tables, and write them as JSON when asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks.anomaly")
    parser.add_argument("--log", help="only this log, or `none` for the public sets alone")
    parser.add_argument("--no-verdicts", action="store_true", help="leave the learned detector out")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    console = Console(width=190, highlight=False)
    tables: Tables = {name: [] for name in TABLES}
    for name, columns, as_of_ms, days in datasets() if asked.log != "none" else ():
        if asked.log not in (None, name):
            continue
        if columns is None:
            tables["injected"].append((f"anomaly.{name}", name, *["not run"] * (len(TABLES["injected"]) - 2)))
            continue
        print(f"{name}: {len(columns):,} tickets", file=sys.stderr, flush=True)
        of_log(prepare(name, columns, as_of_ms, days), tables, with_verdicts=not asked.no_verdicts)
    for one in labelled_tables():
        tables["public sets"].append(
            (
                f"anomaly.set.{one[0]}",
                one[0],
                f"{one[1]:,}",
                f"{one[2]:,}",
                f"{one[3]:.6f}",
                f"{one[4]:.6f}",
                f"{one[5]:.1e}",
            )
        )
    for title, rows in tables.items():
        table = Table(title=title)
        for heading in TABLES[title][1:]:
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*row[1:])
        console.print(table)
    if asked.json:
        document = {t: [dict(zip(TABLES[t], row, strict=True)) for row in rows] for t, rows in tables.items()}
        asked.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
