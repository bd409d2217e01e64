"""`hive-ml generate`: every file in the checkout that code writes. `--check` is what tests and CI run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click

from neural_hive_ml.cli.generated import filled, write_or_check
from neural_hive_ml.dashboards.files import dashboard_files
from neural_hive_ml.features.features_page import features_page
from neural_hive_ml.observability.metrics_page import metrics_page
from neural_hive_ml.serving.guard_agents.threat_rules import load_rules, rules_table
from neural_hive_ml.settings import checkout_root
from neural_hive_ml.settings_page import settings_page
from neural_hive_ml.slo.alertmanager import alertmanager_config
from neural_hive_ml.slo.pages import RUNBOOKS, runbook_index, sections
from neural_hive_ml.slo.prometheus_config import compose_config
from neural_hive_ml.slo.rules import operator_files, rule_files
from neural_hive_ml.slo.spec import load_objectives
from neural_hive_ml.upkeep.cronjobs import cronjobs


def _slo() -> Mapping[str, str]:
    objectives = load_objectives()
    return {
        **rule_files(objectives),
        **operator_files(objectives),
        "alertmanager/alertmanager.yml": alertmanager_config(),
        "prometheus/prometheus.yml": compose_config(),
        **dashboard_files(objectives),
        **cronjobs(),
    }


def _pages() -> Mapping[str, str]:
    objectives = load_objectives()
    pages = {
        "docs/metrics.md": metrics_page(),
        "docs/features.md": features_page(),
        "docs/settings.md": settings_page(),
        f"{RUNBOOKS}/index.md": runbook_index(objectives),
    }
    checkout = checkout_root()
    # An installed package has no pages that people wrote, and so none to fill.
    if checkout is None:
        return pages
    parts = {("docs/serving.md", "threat rules"): rules_table(load_rules())}
    return pages | filled(sections(objectives) | parts, checkout)


# Each gives path -> text. Whoever generates a file adds its producer here.
PRODUCERS: Final[tuple[Callable[[], Mapping[str, str]], ...]] = (_slo, _pages)


def generated_files() -> dict[str, str]:
    """Return every generated file: path under the checkout -> text."""
    files: dict[str, str] = {}
    for produce in PRODUCERS:
        made = produce()
        twice = files.keys() & made.keys()
        if twice:
            raise AssertionError(f"two producers write {sorted(twice)}")
        files |= made
    return files


@click.command("generate")
@click.option("--check", is_flag=True, help="Write nothing; fail when a file differs.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to; default: the checkout, or the current folder.",
)
def generate_command(check: bool, out: Path | None) -> int:
    """Rewrite the generated files: rules, dashboards, manifests, reference pages.

    \b
    Exit codes: 0 written, or nothing differs; 1 a file differs (--check).

    Example: hive-ml generate --check
    """
    return write_or_check(generated_files(), out or checkout_root() or Path.cwd(), check=check)
