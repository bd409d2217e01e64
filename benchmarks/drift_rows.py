"""Shares of replays with exact intervals, and the table of them."""

from dataclasses import dataclass

from rich.table import Table
from scipy import stats


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result: `share` of replays with its interval."""

    id: str
    tool: str
    what: str
    replays: int
    share: float
    low: float
    high: float


def row(bench: str, tool: str, what: str, hits: int, replays: int) -> Row:
    """Return a share with its exact 95 % interval."""
    return Row(bench, tool, what, replays, hits / replays, *clopper_pearson(hits, replays))


def clopper_pearson(hits: int, n: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share."""
    low = 0.0 if hits == 0 else float(stats.beta.ppf(0.025, hits, n - hits + 1))
    high = 1.0 if hits == n else float(stats.beta.ppf(0.975, hits + 1, n - hits))
    return low, high


def table_of(rows: list[Row]) -> Table:
    """Lay the shares out."""
    table = Table(title="Drift: share of replays that alarm")
    for heading in ("id", "tool", "what", "replays", "alarms", "95 %"):
        table.add_column(heading, overflow="fold")
    for r in rows:
        table.add_row(
            r.id, r.tool, r.what, str(r.replays), f"{r.share:.1%}", f"[{r.low:.1%}, {r.high:.1%}]"
        )  # fmt: skip
    return table
