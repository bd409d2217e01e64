"""`hive-ml tickets generate`: seeded synthetic tickets, to a file or into the store."""

import gzip
from collections.abc import Iterable
from contextlib import closing
from itertools import islice
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, track

from neural_hive_ml.bootstrap import describe, open_tickets
from neural_hive_ml.clock import DAY_MS, SystemClock, parse_instant
from neural_hive_ml.settings import load_settings
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.generator import GeneratorPlan, generate
from neural_hive_ml.tickets.importer import import_tickets
from neural_hive_ml.tickets.ticket import Ticket


@click.command("generate")
@click.argument("count", type=click.IntRange(1))
@click.option("--seed", type=int, default=42, show_default=True)
@click.option("--start", "start_ms", type=parse_instant, metavar="MOMENT", help="First hour; default 90 days ago.")
@click.option("--per-hour", type=click.FloatRange(min=0, min_open=True), default=400.0, show_default=True)
@click.option("--tasks", type=click.IntRange(1), default=200, show_default=True, help="Recurring tasks.")
@click.option("--owners", type=click.IntRange(1), default=40, show_default=True)
@click.option("--incidents-per-week", type=click.FloatRange(0), default=1.0, show_default=True)
@click.option(
    "--drift-at", "drift_at_ms", type=parse_instant, metavar="MOMENT", help="From then on tickets differ."
)
@click.option("--drift-factor", type=click.FloatRange(min=0, min_open=True), default=1.6, show_default=True)
@click.option("--out", default="-", metavar="FILE", help=".jsonl or .jsonl.gz; - is standard output.")
@click.option("--into-store", is_flag=True, help="Write into the ticket store instead.")
def generate_command(count: int, out: str, into_store: bool, start_ms: int | None, **options: Any) -> None:
    """Generate COUNT synthetic tickets, for load tests and benchmarks.

    They are tagged synthetic: a model of them is promoted only where ALLOW_SYNTHETIC_FALLBACK is true.

    \b
    Examples:
      hive-ml tickets generate 1000000 --out tickets.jsonl.gz
      hive-ml tickets generate 50000 --into-store --drift-at 2026-11-20
    """
    # The other options are named as the plan's fields.
    start_ms = SystemClock().now_ms() - 90 * DAY_MS if start_ms is None else start_ms
    plan = GeneratorPlan(start_ms=start_ms, **options)
    tickets = islice(generate(plan), count)
    console = Console(stderr=True)
    if into_store:
        settings = load_settings()
        console.print(describe(settings), highlight=False)
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with closing(open_tickets(settings)) as store, Progress(console=console) as bar:
            task = bar.add_task("generate", total=count)
            total = import_tickets(tickets, store, lambda s: bar.update(task, completed=s.read))
        click.echo(f"{total.stored:,} stored, {total.updated:,} updated, {total.unchanged:,} unchanged")
        return
    _write(track(tickets, "generate", total=count, console=console), out)


def _write(tickets: Iterable[Ticket], out: str) -> None:
    with click.open_file(out, "wb") as raw:
        if not out.endswith(".gz"):
            raw.writelines(encode_ticket(t) + b"\n" for t in tickets)
            return
        # No name and no time in the archive: the same plan gives the same bytes.
        with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as packed:
            packed.writelines(encode_ticket(t) + b"\n" for t in tickets)
