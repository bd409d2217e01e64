"""`hive-ml demo`: the whole loop on the shipped sample, with a page to read afterwards."""

import os
import time

import click
from rich.console import Console
from rich.table import Table

from neural_hive_ml.conventions import GUIDE_MODELS
from neural_hive_ml.demo.report import HEADINGS, detection_line, summary_rows, write_report
from neural_hive_ml.demo.story import Story, run_story
from neural_hive_ml.demo.workspace import demo_settings, make_anew
from neural_hive_ml.errors import HiveError
from neural_hive_ml.settings import load_settings

STEPS = 8


@click.command("demo")
def demo_command() -> None:
    """Run the whole loop on the shipped sample: history, training, Production, detection, drift, retraining.

    It works in a folder of its own (the default data folder when that is empty), starts guard-agents as a
    process, and leaves nothing running. About two minutes on two cores.

    Example: hive-ml demo && eval "$(hive-ml env)" && hive-ml models production
    """
    settings = demo_settings(dict(os.environ), load_settings())
    make_anew(settings.data_dir)
    console = _console()
    console.print(f"demo in {settings.data_dir} (its own folder, made anew)")
    lines: list[str] = []
    began = time.monotonic()
    done = 0

    def step(title: str) -> None:
        nonlocal done
        done += 1
        lines.append(f"{time.monotonic() - began:5.0f} s  {done}/{STEPS} {title}")
        console.print(f"[bold]{lines[-1]}[/bold]")

    def note(line: str) -> None:
        lines.append(f"           {line}")
        console.print(lines[-1], style="dim", markup=False)

    story = run_story(settings, step, note)
    report = settings.data_dir / "demo-report.html"
    write_report(story, report, lines)
    _summary(story, console)
    missing = [name for name in GUIDE_MODELS if name not in story.after]
    if missing:
        raise HiveError(f"not in Production: {', '.join(missing)}", remedy="read the lines above")
    console.print(f"done in {time.monotonic() - began:.0f} s; report: {report}", soft_wrap=True)
    console.print(
        f'next: eval "$(HIVE_DATA_DIR={settings.data_dir} .venv/bin/hive-ml env)"; hive-ml models list',
        soft_wrap=True,
    )


def _console() -> Console:
    console = Console(highlight=False)
    # The summary needs room; a pipe or a log has it.
    return console if console.is_terminal else Console(highlight=False, width=150)


def _summary(story: Story, console: Console) -> None:
    table = Table(title="Models: metric, floors of both profiles, baseline, verdict")
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for row in summary_rows(story):
        if row[0]:
            table.add_section()
        table.add_row(*row)
    console.print(table)
    console.print(f"detection: {detection_line(story)}")
    for line in story.drift_metric:
        console.print(f"metric: {line}", markup=False)
    for outcome in story.cycle.outcomes:
        fate = f"version {outcome.version} is live" if outcome.promoted else f"{outcome.verdict}: champion kept"
        console.print(f"retrained after drift: {outcome.name}: {fate}")
