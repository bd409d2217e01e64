"""`hive-ml models`: what is registered, what is live and why, and the moves of the champion."""

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from neural_hive_ml.bootstrap import open_registry
from neural_hive_ml.cli.models_compare import compare
from neural_hive_ml.cli.models_move import challenge, pin, promote, prune, rollback, unpin
from neural_hive_ml.cli.models_show import show, verify
from neural_hive_ml.clock import iso
from neural_hive_ml.conventions import CHAMPION, EXIT_NOT_ALL_IN_PRODUCTION, EXIT_OK, GUIDE_MODELS
from neural_hive_ml.registry.port import ModelVersion, Registry
from neural_hive_ml.registry.reference import parse_filter
from neural_hive_ml.settings import load_settings


@click.group("models")
def models_command() -> None:
    """List, inspect, compare and move registered models.

    \b
    A version is written NAME (its champion, else its newest), NAME@alias or NAME/version.

    \b
    Examples:
      hive-ml models list --filter "name LIKE 'anomaly%'"
      hive-ml models show anomaly-detector-isolation_forest
      hive-ml models compare load-predictor-60m/1 load-predictor-60m/2
      hive-ml models rollback scheduling-predictor-xgboost --reason "slow on Mondays"
    """


@models_command.command("list")
@click.option(
    "--filter", "name_filter", default="", metavar="FILTER", help="name LIKE 'anomaly%', or name = 'NAME'."
)
@click.option("--all", "all_versions", is_flag=True, help="Every version, not only aliased ones and the newest.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def list_models(name_filter: str, all_versions: bool, as_json: bool) -> None:
    """List registered models and their versions.

    Example: hive-ml models list --filter "name LIKE 'anomaly%'"
    """
    registry = open_registry(load_settings())
    versions = [
        v
        for name in registry.names(parse_filter(name_filter))
        for i, v in enumerate(registry.versions(name))
        if all_versions or i == 0 or v.aliases
    ]
    if as_json:
        click.echo(json.dumps([_document(v) for v in versions], indent=2))
        return
    table = Table(title=registry.describe())
    table.add_column("model", no_wrap=True)
    for heading in ("version", "aliases", "stage", "verdict", "registered"):
        table.add_column(heading, overflow="fold")
    for v in versions:
        table.add_row(
            v.name,
            str(v.version),
            ", ".join(v.aliases),
            v.stage,
            v.tags.get("verdict", ""),
            iso(v.created_at_ms)[:10],
        )
    Console().print(table)
    if not versions:
        click.echo("nothing is registered (next: ml_pipelines/training/train_initial_models.sh)")


@models_command.command("production")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def production(as_json: bool) -> int:
    """Count the guide's five models in Production; exit code 5 when one is missing."""
    registry = open_registry(load_settings())
    live = {name: registry.resolve(name, CHAMPION) for name in GUIDE_MODELS}
    found = [v for v in live.values() if v is not None]
    code = EXIT_OK if len(found) == len(GUIDE_MODELS) else EXIT_NOT_ALL_IN_PRODUCTION
    if as_json:
        production = {name: None if v is None else v.version for name, v in live.items()}
        click.echo(json.dumps({"production": production, "exit_code": code}, indent=2))
        return code
    click.echo(f"Modelos em Production: {len(found)}/{len(GUIDE_MODELS)}")
    for name, version in live.items():
        if version is None:
            click.echo(f"  {name}: {_next_step(registry, name)}")
    return code


def _next_step(registry: Registry, name: str) -> str:
    versions = registry.versions(name)
    if not versions:
        kind = "anomaly" if name.startswith("anomaly") else name.partition("-")[0]
        return f"not registered (next: train_predictive_models.py --model-type {kind} --promote-if-better)"
    newest = versions[0]
    verdict = newest.tags.get("verdict", "not judged")
    return (
        f"version {newest.version} is {verdict}: {newest.tags.get('reasons', '')} (next: hive-ml models show "
        f"{name}/{newest.version}, train again, or hive-ml models promote {name}/{newest.version} --reason ...)"
    )


def _document(version: ModelVersion) -> dict[str, Any]:
    return {
        "name": version.name,
        "version": version.version,
        "aliases": list(version.aliases),
        "stage": version.stage,
        "run_id": version.run_id,
        "digest": version.digest,
        "created_at": iso(version.created_at_ms),
        "tags": dict(version.tags),
    }


for _command in (show, verify, compare, promote, rollback, pin, unpin, challenge, prune):
    models_command.add_command(_command)
