"""`hive-ml slo`: objectives to rules, whether their alerts can fire, and where each objective stands now."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from neural_hive_ml.cli.generated import write_or_check
from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_NOT_ENOUGH_DATA, EXIT_OK
from neural_hive_ml.settings import checkout_root, load_settings
from neural_hive_ml.slo.burn import ceiling
from neural_hive_ml.slo.rules import alerts, operator_files, recordings, rule_files
from neural_hive_ml.slo.spec import EventBurn, Objectives, load_objectives
from neural_hive_ml.slo.status import STATUS_QUERY, Status, statuses

OBJECTIVES = click.option(
    "--objectives",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Objectives of your own; default: the shipped objectives.yaml.",
)
_COLOURS = {"kept": "[green]kept[/]", "broken": "[red]broken[/]", "unknown": "[yellow]unknown[/]"}


@click.group("slo")
def slo_command() -> None:
    """The promises about the models: rules that measure them, and how they stand."""


@slo_command.command("generate")
@OBJECTIVES
@click.option(
    "--time-scale",
    type=click.FloatRange(min=1),
    default=1.0,
    show_default=True,
    help="Shorten every duration so many times: to see alerts of hours fire in seconds. Plain rule files only.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to; default: the checkout, or the current folder.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail when a file differs.")
def generate_command(source: Path | None, time_scale: float, out: Path | None, check: bool) -> int:
    """Write Prometheus rule files, and PrometheusRule resources of the same rules.

    \b
    Exit codes: 0 written, or nothing differs; 1 a file differs (--check); 2 the objectives cannot work.

    Example: hive-ml slo generate --time-scale 720 --out /tmp/fast
    """
    objectives = _load(source)
    files = rule_files(objectives, time_scale)
    if time_scale == 1:
        files |= operator_files(objectives)
    return write_or_check(files, out or checkout_root() or Path.cwd(), check=check)


@slo_command.command("check")
@OBJECTIVES
def check_command(source: Path | None) -> int:
    """Say whether the objectives can work, alert by alert, and let promtool check the rules where it is installed.

    An alert that could never fire is refused with the ceiling of its burn rate.

    Example: hive-ml slo check
    """
    objectives = _load(source)
    table = Table(title="Error budgets and burn-rate alerts")
    for heading in ("objective", "target", "budget is of", "budget", "ceiling", "alerts above (window)"):
        table.add_column(heading, overflow="fold")
    for one in objectives.objectives:
        pairs = ", ".join(f"{pair.factor(objectives.period):g} ({pair.long})" for pair in one.pairs)
        kind = "events" if isinstance(one.burn, EventBurn) else "time in compliance"
        table.add_row(
            one.title, one.promise, kind, f"{one.budget:.2%}", f"{ceiling(one.burn.objective):.3g}", pairs
        )
    Console().print(table)
    click.echo(f"{len(recordings(objectives))} recording rules, {len(alerts(objectives))} alerts: all can fire")
    return _promtool(objectives)


@slo_command.command("status")
@OBJECTIVES
@click.option("--prometheus", "url", help="Prometheus to ask; default PROMETHEUS_URL.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def status_command(source: Path | None, url: str | None, as_json: bool) -> int:
    """Show each objective: its value, what is left of its budget, how fast that burns, what its window holds so far.

    \b
    Exit codes: 0 all kept, 1 one is broken, 3 one is unknown and none broken, 4 Prometheus unreachable.

    Example: hive-ml slo status --prometheus http://localhost:9090
    """
    import httpx

    from neural_hive_ml.slo.prometheus import Prometheus

    settings = load_settings()
    with httpx.Client(timeout=settings.number("STORE_TIMEOUT_SECONDS")) as client:
        samples = Prometheus(url or settings.text("PROMETHEUS_URL"), client).instant(STATUS_QUERY)
    found = statuses(_load(source), samples)
    if as_json:
        click.echo(json.dumps([_json(status) for status in found], indent=2))
    else:
        _print(found)
    standings = {status.standing for status in found}
    return EXIT_FAILURE if "broken" in standings else EXIT_NOT_ENOUGH_DATA if "unknown" in standings else EXIT_OK


def _load(source: Path | None) -> Objectives:
    return load_objectives(source.read_text(encoding="utf-8") if source else None)


def _promtool(objectives: Objectives) -> int:
    promtool = shutil.which("promtool")
    if promtool is None:
        click.echo("promtool is not installed: the rules' syntax was not checked", err=True)
        return EXIT_OK
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, text in rule_files(objectives).items():
            path = Path(folder) / Path(name).name
            path.write_text(text, encoding="utf-8")
            paths.append(str(path))
        said = subprocess.run([promtool, "check", "rules", *paths], capture_output=True, text=True, check=False)
    click.echo((said.stdout + said.stderr).replace(f"{folder}/", "").strip())
    return EXIT_OK if said.returncode == 0 else EXIT_FAILURE


def _json(status: Status) -> dict[str, object]:
    return {
        "objective": status.objective.slug, "standing": status.standing, "value": status.value,
        "target": status.objective.target, "window": status.objective.window, "window_held": status.held,
        "budget_remaining_percent": status.remaining, "burn_rate": dict(status.burn),
        "exhausted_in_hours": status.exhausted_in_hours,
    }  # fmt: skip


def _print(found: tuple[Status, ...]) -> None:
    table = Table(title="Service level objectives")
    for heading in ("objective", "standing", "now", "target", "budget left", "burn 1h / 6h / 3d", "window held"):
        table.add_column(heading, overflow="fold")
    for status in found:
        burn = " / ".join(f"{status.burn[w]:.2f}" if w in status.burn else "-" for w in ("1h", "6h", "3d"))
        left = "unknown" if status.remaining is None else f"{status.remaining:.0f} %"
        held = "unknown" if status.held is None else f"{status.held:.0%} of {status.objective.window}"
        table.add_row(status.objective.title, _COLOURS[status.standing], status.shown, status.objective.promise, left, burn,
                      held)  # fmt: skip
    Console().print(table)
