"""`hive-ml score`: tickets of a file or a window into a Parquet file of predictions."""

import json
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any, get_args

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from neural_hive_ml.bootstrap import describe, open_history, open_state
from neural_hive_ml.bootstrap_bulk import named_judges, serving_judges
from neural_hive_ml.bulk.engine import engine_of
from neural_hive_ml.bulk.judge import StageChoice
from neural_hive_ml.bulk.parts import Parts
from neural_hive_ml.bulk.score import BLOCK_ROWS, FileSource, WindowSource, score
from neural_hive_ml.clock import DAY_MS, SystemClock, parse_instant
from neural_hive_ml.errors import UsageError
from neural_hive_ml.settings import load_settings


@click.command("score")
@click.argument("file", required=False, type=click.Path(dir_okay=False))
@click.option(
    "--window", metavar="SINCE/UNTIL or Nd", help="Tickets of the store created then, instead of a file."
)
@click.option("--out", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Parquet file.")
@click.option("--model", "models", multiple=True, metavar="NAME[/version]", help="Default: what serves now.")
@click.option("--stage", type=click.Choice(get_args(StageChoice)), default="shown", show_default=True,
              help="Look at tickets as their documents show them, or as of their creation or end.")  # fmt: skip
@click.option(
    "--as-of", type=parse_instant, metavar="MOMENT", help="When running tickets are looked at; default now."
)
@click.option("--engine", default="local", show_default=True, help="local, dask, or dask://host:port.")
@click.option("--block-rows", type=click.IntRange(1), default=BLOCK_ROWS, show_default=True)
@click.option("--restart", is_flag=True, help="Begin anew instead of going on; replaces --out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, progress on stderr.")
def score_command(
    file: str | None, window: str | None, out: Path, models: tuple[str, ...], stage: StageChoice, as_of: int | None,
    engine: str, block_rows: int, restart: bool, as_json: bool,
) -> None:  # fmt: skip
    """Score the tickets of FILE (.jsonl, .jsonl.gz, .parquet) or of a window, with the numbers that the services give.

    One row a ticket. Killed in the middle, the same command goes on and ends with the same bytes.

    \b
    Examples:
      hive-ml score tickets.jsonl.gz --out scores.parquet
      hive-ml score --window 2013-12-01/2014-01-01 --out december.parquet --stage created
      hive-ml score --window 30d --out month.parquet --engine dask://scheduler:8786
    """
    if (file is None) == (window is None):
        raise UsageError("name a file or a window", remedy="hive-ml score FILE, or hive-ml score --window 30d")
    settings = load_settings()
    chosen = engine_of(engine)
    noted = {} if restart else Parts(out).noted()
    now_ms = as_of if as_of is not None else int(noted.get("running_as_of_ms", SystemClock().now_ms()))
    with ExitStack() as stack:
        source: FileSource | WindowSource
        if file is not None:
            if not Path(file).is_file():
                raise UsageError(f"{file} is no file", remedy="check the path")
            source = FileSource(file)
        else:
            click.echo(describe(settings), err=True)
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            state = stack.enter_context(closing(open_state(settings)))
            tickets = stack.enter_context(closing(open_history(settings, state, SystemClock())))
            source = WindowSource(tickets, *window_of(window or "", noted.get("source", {}), now_ms))
        judges = named_judges(settings, models) if models else serving_judges(settings)
        bar = stack.enter_context(_progress())
        task = bar.add_task(", ".join(f"{j.name}/{j.version}" for j in judges), total=None, note="")

        def show(done: int, of: int, rows: int) -> None:
            bar.update(task, completed=done, total=max(of, 1), note=f"{rows:,} tickets")

        began = perf_counter()
        done = score(
            source, judges, out, chosen,
            choice=stage, now_ms=now_ms, rows=block_rows, restart=restart, progress=show,
        )  # fmt: skip
        bar.update(task, completed=1, total=1, note=f"{done.rows:,} tickets")
    seconds = perf_counter() - began
    if as_json:
        click.echo(json.dumps({**asdict(done), "out": str(out), "seconds": seconds}))
        return
    again = f", {done.resumed:,} of them by an earlier run" if done.resumed else ""
    pace = (done.rows - done.resumed) / max(seconds, 1e-9)
    click.echo(f"{done.rows:,} tickets scored into {out}{again} ({seconds:.1f} s, {pace:,.0f} a second)")


def window_of(text: str, noted: dict[str, Any], now_ms: int) -> tuple[int, int]:
    """Read ``SINCE/UNTIL`` or ``Nd`` (the days before now; of an interrupted run, the days it had chosen).

    Raises
    ------
    UsageError
        For anything else.
    """
    since, slash, until = text.partition("/")
    try:
        if slash:
            return parse_instant(since), parse_instant(until)
        if text.endswith("d") and text[:-1].isdigit():
            until_ms = int(noted.get("until_ms", now_ms))
            return until_ms - int(text[:-1]) * DAY_MS, until_ms
    except ValueError:
        pass
    raise UsageError(f"--window {text!r} is no window", remedy="give 2013-12-01/2014-01-01, or 30d")


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True))
