"""`hive-ml feedback`: human verdicts in and out of files."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from neural_hive_ml.bootstrap import describe, open_ledger, open_state
from neural_hive_ml.bulk.verdicts import read_verdicts, take_verdicts, write_verdicts
from neural_hive_ml.clock import parse_instant
from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_OK
from neural_hive_ml.feedback.desk import VerdictDesk
from neural_hive_ml.settings import load_settings
from neural_hive_ml.slo.spec import load_objectives

_SHOWN = 20


@click.group("feedback")
def feedback_command() -> None:
    """Carry human verdicts in and out; approval-service takes them one at a time."""


@feedback_command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def import_command(file: Path, as_json: bool) -> int:
    """Import verdicts from FILE: .jsonl or .csv with ticket_id, verdict, author, at, and maybe note.

    Each is a decision in the ledger, as one that was posted. Importing again changes nothing. Exit code 1 when a line
    is no verdict; the others are taken.

    Example: hive-ml feedback import judged-in-2025.csv
    """
    with _desk() as desk:
        done = take_verdicts(read_verdicts(file), desk)
    if as_json:
        click.echo(json.dumps(asdict(done)))
    else:
        click.echo(f"{done.read:,} read: {done.new:,} new, {done.known:,} known, {len(done.refused):,} refused")
        for line in done.refused[:_SHOWN]:
            click.echo(line, err=True)
    return EXIT_FAILURE if done.refused else EXIT_OK


@feedback_command.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
@click.option("--since", "since_ms", type=parse_instant, metavar="MOMENT", help="Given at or after.")
@click.option("--until", "until_ms", type=parse_instant, metavar="MOMENT", help="Given before.")
def export_command(file: str, since_ms: int | None, until_ms: int | None) -> None:
    """Write verdicts to FILE (.csv, else JSON lines; default standard output), oldest first.

    Example: hive-ml feedback export --since 2026-01-01 verdicts.csv
    """
    with _desk() as desk, click.open_file(file, "w", encoding="utf-8") as out:
        count = write_verdicts(desk.between(since_ms, until_ms), out, as_csv=file.endswith(".csv"))
    click.echo(f"{count:,} verdicts written to {file}", err=True)


@contextmanager
def _desk() -> Iterator[VerdictDesk]:
    settings = load_settings()
    click.echo(describe(settings), err=True)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    target = next(one.target for one in load_objectives().objectives if one.slug == "feedback_rate")
    with closing(open_state(settings)) as state:
        yield VerdictDesk(state, open_ledger(settings, state), target)
