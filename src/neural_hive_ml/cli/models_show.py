"""`hive-ml models show` and `verify`: a version's card, and whether its artifact may serve."""

import json
from pathlib import Path

import click
from rich.console import Console
from rich.markdown import Markdown

from neural_hive_ml.bootstrap import open_registry
from neural_hive_ml.clock import iso
from neural_hive_ml.errors import NotFound
from neural_hive_ml.evaluation.card import CARD_HTML, CARD_MARKDOWN
from neural_hive_ml.evaluation.records import EVALUATION_FILE
from neural_hive_ml.registry.promotion import verify_version
from neural_hive_ml.registry.reference import find
from neural_hive_ml.registry.sign import load_verify_keys
from neural_hive_ml.settings import load_settings


@click.command("show")
@click.argument("reference", metavar="NAME[@alias|/version]")
@click.option(
    "--html",
    "html_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write the card with its plots as one HTML page.",
)
@click.option("--json", "as_json", is_flag=True, help="Version, evaluation and verdict as one JSON document.")
def show(reference: str, html_path: Path | None, as_json: bool) -> None:
    """Show a version's model card.

    Example: hive-ml models show load-predictor-60m@champion --html card.html
    """
    registry = open_registry(load_settings())
    version = find(registry, reference)
    if html_path is not None:
        page = registry.attached(version, CARD_HTML)
        if page is None:
            raise NotFound(f"{version.name} version {version.version} has no card", remedy="train it again")
        html_path.write_bytes(page)
        click.echo(f"card: {html_path}", err=True)
    if as_json:
        held = registry.attached(version, EVALUATION_FILE)
        document = {
            "name": version.name,
            "version": version.version,
            "aliases": list(version.aliases),
            "stage": version.stage,
            "digest": version.digest,
            "run_id": version.run_id,
            "created_at": iso(version.created_at_ms),
            "tags": dict(version.tags),
            "judgement": json.loads(held) if held else None,
        }
        click.echo(json.dumps(document, indent=2))
        return
    aliases = ", ".join(version.aliases) or "no alias"
    click.echo(
        f"{version.name} version {version.version} ({aliases}, stage {version.stage}), run {version.run_id}"
    )
    click.echo(f"registered {iso(version.created_at_ms)}, artifact {version.digest}")
    card = registry.attached(version, CARD_MARKDOWN)
    if card is None:
        click.echo("this version has no model card: it was registered outside of this system")
        return
    Console().print(Markdown(card.decode()))


@click.command("verify")
@click.argument("reference", metavar="NAME[@alias|/version]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def verify(reference: str, as_json: bool) -> None:
    """Check that a version may serve: digests, signature, golden rows.

    Example: hive-ml models verify anomaly-detector-isolation_forest
    """
    settings = load_settings()
    registry = open_registry(settings)
    version = find(registry, reference)
    reasons = verify_version(registry, version, keys=load_verify_keys(settings.text("HIVE_VERIFY_KEYS")))
    if as_json:
        click.echo(
            json.dumps({"name": version.name, "version": version.version, "reasons": list(reasons)}, indent=2)
        )
        return
    click.echo(f"{version.name} version {version.version} may serve:")
    for reason in reasons:
        click.echo(f"  {reason}")
