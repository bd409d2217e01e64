"""What must be done again and again so that nothing grows, is lost or goes unnoticed: once, for Kubernetes and elsewhere."""

from dataclasses import dataclass
from typing import Final

from neural_hive_ml.clock import DAY_MS, HOUR_MS, MINUTE_MS


@dataclass(frozen=True, slots=True)
class Job:
    """One job: the arguments of `hive-ml`, every `period_ms` at `offset_ms` (UTC), only where the setting `needs` is set.

    `at_start`: also when the loop begins, since a machine that is on by day only would never do it. `why` is for people.
    """

    name: str
    period_ms: int
    offset_ms: int
    arguments: tuple[str, ...]
    why: str
    needs: str = ""
    at_start: bool = False

    def next_ms(self, now_ms: int) -> int:
        """Return the first moment of the schedule after a moment.

        >>> JOBS["tickets-sync"].next_ms(0) == 5 * MINUTE_MS
        True
        """
        return self.offset_ms + ((now_ms - self.offset_ms) // self.period_ms + 1) * self.period_ms

    @property
    def cron(self) -> str:
        """Return the schedule as cron spells it.

        >>> [JOBS[name].cron for name in ("rollout-check", "tickets-sync", "backup")]
        ['*/15 * * * *', '5 * * * *', '30 1 * * *']
        """
        hour, minute = divmod(self.offset_ms // MINUTE_MS, 60)
        if self.period_ms == DAY_MS:
            return f"{minute} {hour} * * *"
        if self.period_ms == HOUR_MS:
            return f"{minute} * * * *"
        return f"*/{self.period_ms // MINUTE_MS} * * * *"


# A backup comes before what is deleted that night.
_ALL: Final = (
    Job(
        "rollout-check",
        15 * MINUTE_MS,
        0,
        ("rollout", "check", "--once"),
        "challengers and young champions are judged",
        at_start=True,
    ),
    Job(
        "tickets-sync",
        HOUR_MS,
        5 * MINUTE_MS,
        ("tickets", "sync"),
        "ClickHouse has what changed",
        needs="CLICKHOUSE_HOST",
        at_start=True,
    ),
    Job(
        "ledger-verify",
        HOUR_MS,
        50 * MINUTE_MS,
        ("ledger", "verify", "--record"),
        "who rewrites or cuts the ledger is seen",
        at_start=True,
    ),
    Job("backup", DAY_MS, HOUR_MS + 30 * MINUTE_MS, ("backup",), "nothing is lost", needs="BACKUP_DIR"),
    Job(
        "tickets-reconcile",
        DAY_MS,
        2 * HOUR_MS + 35 * MINUTE_MS,
        ("tickets", "sync", "--reconcile"),
        "ClickHouse has what was written late, and not what is gone",
        needs="CLICKHOUSE_HOST",
    ),
    Job(
        "data-prune",
        DAY_MS,
        3 * HOUR_MS + 30 * MINUTE_MS,
        ("data", "prune"),
        "nothing is kept longer than its days",
        at_start=True,
    ),
)
JOBS: Final = {job.name: job for job in _ALL}
