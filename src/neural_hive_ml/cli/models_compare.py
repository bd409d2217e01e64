"""`hive-ml models compare A B`: two versions side by side, and in pairs where they answered the same cases."""

import json
from dataclasses import asdict
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from neural_hive_ml.bootstrap import open_registry
from neural_hive_ml.errors import NotFound
from neural_hive_ml.evaluation.card import figure_text
from neural_hive_ml.evaluation.cases import HoldoutCases
from neural_hive_ml.evaluation.compare import Comparison
from neural_hive_ml.evaluation.compare import compare as compare_cases
from neural_hive_ml.evaluation.records import CASES_FILE, EVALUATION_FILE, Judgement, read_cases, read_judgement
from neural_hive_ml.registry.port import ModelVersion, Registry
from neural_hive_ml.registry.reference import find
from neural_hive_ml.settings import load_settings

# The bootstrap is seeded, so that the same two versions give the same interval each time.
_SEED = 42


@click.command("compare")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def compare(first: str, second: str, as_json: bool) -> None:
    """Compare two versions, each written NAME[@alias|/version].

    Where both answered the same hold-out, B is compared with A case by case, with a paired interval.

    Example: hive-ml models compare load-predictor-60m@champion load-predictor-60m/7
    """
    registry = open_registry(load_settings())
    a, b = (find(registry, text) for text in (first, second))
    judged = (_judgement(registry, a), _judgement(registry, b))
    paired = _paired(_cases(registry, a), _cases(registry, b), judged[1].evaluation.primary)
    if as_json:
        click.echo(json.dumps(_document((a, b), judged, paired), indent=2))
        return
    _print((a, b), judged, paired)


def _print(
    versions: tuple[ModelVersion, ModelVersion], judged: tuple[Judgement, Judgement], paired: Comparison | None
) -> None:
    names = list(dict.fromkeys(m.name for j in judged for m in j.evaluation.metrics))
    table = Table(title="Each on its own hold-out (95 % intervals)" if paired is None else "On the same hold-out")
    for heading in ("metric", *(f"{v.name}/{v.version}" for v in versions)):
        table.add_column(heading, overflow="fold")
    for name in names:
        cells = [next((figure_text(m) for m in j.evaluation.metrics if m.name == name), "-") for j in judged]
        table.add_row(name, *cells)
    table.add_row("verdict", *(str(j.verdict.outcome) for j in judged))
    table.add_row("aliases", *(", ".join(v.aliases) for v in versions))
    Console().print(table)
    if paired is None:
        click.echo("They answered different cases, so the difference of two figures is no evidence by itself.")
        return
    word = "better" if paired.gain >= 0 else "worse"
    a, b = (v.version for v in versions)
    click.echo(
        f"On the same {paired.n:,} cases version {b} is {abs(paired.gain):.1%} {word} than version {a} "
        f"in {paired.metric}, 95 % interval [{paired.low:+.1%}, {paired.high:+.1%}]."
    )
    for harm in paired.harms:
        click.echo(f"  worse beyond chance on {harm.slice}: {harm.loss:.1%} ({harm.n:,} cases)")


def _document(
    versions: tuple[ModelVersion, ModelVersion], judged: tuple[Judgement, Judgement], paired: Comparison | None
) -> dict[str, Any]:
    return {
        "versions": [
            {
                "name": v.name,
                "version": v.version,
                "verdict": str(j.verdict.outcome),
                "metrics": {m.name: asdict(m) for m in j.evaluation.metrics},
            }
            for v, j in zip(versions, judged, strict=True)
        ],
        "paired": None if paired is None else asdict(paired),
    }


def _judgement(registry: Registry, version: ModelVersion) -> Judgement:
    held = registry.attached(version, EVALUATION_FILE)
    if held is None:
        raise NotFound(f"{version.name} version {version.version} keeps no evaluation", remedy="train it again")
    return read_judgement(held)


def _cases(registry: Registry, version: ModelVersion) -> HoldoutCases | None:
    held = registry.attached(version, CASES_FILE)
    return None if held is None else read_cases(held)


def _paired(a: HoldoutCases | None, b: HoldoutCases | None, metric: str) -> Comparison | None:
    if a is None or b is None or a.kind != b.kind or a.digest != b.digest or len(a.truth) != len(b.truth):
        return None
    try:
        return compare_cases(b, a, metric, np.random.default_rng(_SEED))
    except ValueError:  # a metric that is not made of cases
        return None
