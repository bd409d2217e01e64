"""`hive-ml retraining backtest`: choose DRIFT_THRESHOLD by evidence."""

import json

import click
from rich.console import Console
from rich.table import Table

from neural_hive_ml.bootstrap import describe, open_tickets
from neural_hive_ml.cli.moments import resolve_as_of
from neural_hive_ml.clock import DAY_MS, iso
from neural_hive_ml.errors import NotEnoughData
from neural_hive_ml.flow import read_window
from neural_hive_ml.retraining.backtest import Replay, replay, with_thresholds
from neural_hive_ml.retraining.policy import Policy
from neural_hive_ml.settings import load_settings

THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.5)


@click.command("backtest")
@click.option(
    "--days", type=click.FloatRange(1), default=90.0, show_default=True, help="Days of history to replay."
)
@click.option(
    "--training-days",
    type=click.FloatRange(7),
    default=28.0,
    show_default=True,
    help="Days that each retraining learns from.",
)
@click.option(
    "--step-hours", type=click.FloatRange(1), default=6.0, show_default=True, help="Hours between checks."
)
@click.option(
    "--threshold", "thresholds", type=float, multiple=True, help="Try this DRIFT_THRESHOLD; may be repeated."
)
@click.option("--as-of", default="auto", show_default=True, metavar="MOMENT", help="End of the replay.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def backtest_command(
    days: float, training_days: float, step_hours: float, thresholds: tuple[float, ...], as_of: str, as_json: bool
) -> None:
    """Replay the tickets' own history through the policy, once a threshold.

    Prints retrains, alarms, hours with drift unanswered, and how wrong a per-task median would have been
    (median factor less one), which goes stale as models do.

    Example: hive-ml retraining backtest --days 60 --threshold 0.1 --threshold 0.2
    """
    from neural_hive_ml.retraining.ticket_world import TicketWorld

    settings = load_settings()
    console = Console(stderr=True, highlight=False)
    console.print(describe(settings))
    tickets = open_tickets(settings)
    try:
        until_ms, sentence = resolve_as_of(as_of, tickets, settings)
        columns = read_window(tickets, until_ms, round(days + training_days))
    finally:
        tickets.close()
    console.print(f"{sentence}; {len(columns):,} tickets")
    world = TicketWorld(
        columns, window_hours=settings.number("DRIFT_WINDOW_HOURS"), training_days=training_days,
        timezone=settings.text("CALENDAR_TIMEZONE"),
    )  # fmt: skip
    first, last = world.span
    from_ms = max(round(until_ms - days * DAY_MS), first + round(training_days * DAY_MS))
    if from_ms >= min(until_ms, last):
        raise NotEnoughData(
            f"history spans {(last - first) / DAY_MS:.1f} days", have=len(columns), need=1,
            remedy="give fewer --training-days, or import more tickets",
        )  # fmt: skip
    policy = Policy(
        cooldown_hours=settings.number("RETRAINING_COOLDOWN_HOURS"),
        weekly_budget=settings.integer("RETRAINING_WEEKLY_BUDGET"),
    )
    found = []
    for one in with_thresholds(policy, thresholds or THRESHOLDS):
        world.retrain(from_ms)
        found.append(replay(world, one, from_ms=from_ms, until_ms=min(until_ms, last), step_hours=step_hours))
        console.print(f"  threshold {one.drift_threshold:g}: {len(found[-1].retrains)} retrains")
    if as_json:
        click.echo(json.dumps([_row(r) for r in found], indent=2))
        return
    _print(found)


def _row(r: Replay) -> dict[str, object]:
    return {
        "threshold": r.policy.drift_threshold, "checks": r.checks, "answered": r.answered, "alarms": r.alarms,
        "retrains": [{"at": iso(at), "why": why} for at, why in r.retrains], "waited": r.waited,
        "stale_hours": r.stale_hours, "loss": r.loss,
    }  # fmt: skip


def _print(found: list[Replay]) -> None:
    table = Table(title="Policy backtest")
    for heading in ("threshold", "checks", "alarms", "retrains", "hours stale", "off by (median)", "when"):
        table.add_column(heading, overflow="fold")
    for r in found:
        when = ", ".join(iso(at)[:10] for at, _ in r.retrains)
        loss = "-" if r.loss is None else f"{r.loss:.1%}"
        table.add_row(f"{r.policy.drift_threshold:g}", f"{r.answered}/{r.checks}", str(r.alarms),
                      str(len(r.retrains)), f"{r.stale_hours:.0f}", loss, when)  # fmt: skip
    Console().print(table)
