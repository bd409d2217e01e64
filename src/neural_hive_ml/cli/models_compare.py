"""`hive-ml models compare A B`: two versions side by side, and in pairs where they answered the same cases."""

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from neural_hive_ml.bootstrap import open_registry
from neural_hive_ml.errors import NotFound
from neural_hive_ml.evaluation.card import figure_text
from neural_hive_ml.evaluation.cases import HoldoutCases
from neural_hive_ml.evaluation.records import CASES_FILE, EVALUATION_FILE, Judgement, read_cases, read_judgement
from neural_hive_ml.registry.port import ModelVersion, Registry
from neural_hive_ml.registry.reference import find
from neural_hive_ml.settings import load_settings


@click.command("compare")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def compare(first: str, second: str, as_json: bool) -> None:
    """Compare two versions, each written NAME[@alias|/version].

    Example: hive-ml models compare load-predictor-60m@champion load-predictor-60m@previous
    """
    registry = open_registry(load_settings())
    versions = (find(registry, first), find(registry, second))
    judged = tuple(_judgement(registry, v) for v in versions)
    same = _same_holdout(registry, versions)
    names = list(dict.fromkeys(m.name for j in judged for m in j.evaluation.metrics))
    if as_json:
        click.echo(
            json.dumps(
                {
                    "versions": [
                        {
                            "name": v.name,
                            "version": v.version,
                            "verdict": str(j.verdict.outcome),
                            "metrics": {m.name: asdict(m) for m in j.evaluation.metrics},
                        }
                        for v, j in zip(versions, judged, strict=True)
                    ],
                    "same_holdout": same,
                },
                indent=2,
            )
        )
        return
    table = Table(title="Each on its own hold-out (95 % intervals)" if not same else "On the same hold-out")
    for heading in ("metric", *(f"{v.name}/{v.version}" for v in versions)):
        table.add_column(heading, overflow="fold")
    for name in names:
        cells = [next((figure_text(m) for m in j.evaluation.metrics if m.name == name), "-") for j in judged]
        table.add_row(name, *cells)
    table.add_row("verdict", *(str(j.verdict.outcome) for j in judged))
    table.add_row("aliases", *(", ".join(v.aliases) for v in versions))
    Console().print(table)
    if not same:
        click.echo("They answered different cases, so the difference of two figures is no evidence by itself.")


def _judgement(registry: Registry, version: ModelVersion) -> Judgement:
    held = registry.attached(version, EVALUATION_FILE)
    if held is None:
        raise NotFound(f"{version.name} version {version.version} keeps no evaluation", remedy="train it again")
    return read_judgement(held)


def _cases(registry: Registry, version: ModelVersion) -> HoldoutCases | None:
    held = registry.attached(version, CASES_FILE)
    return None if held is None else read_cases(held)


def _same_holdout(registry: Registry, versions: tuple[ModelVersion, ModelVersion]) -> bool:
    a, b = (_cases(registry, v) for v in versions)
    return a is not None and b is not None and a.digest == b.digest and a.kind == b.kind
