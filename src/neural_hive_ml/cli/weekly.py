"""`hive-ml retraining weekly`: what the CronJob ml-model-training does, on a machine without Kubernetes."""

from collections.abc import Callable
from typing import Final

import click
from rich.console import Console

from neural_hive_ml.bootstrap import describe
from neural_hive_ml.cli.by_the_clock import LONGEST_WAIT_SECONDS, CommandLoop
from neural_hive_ml.clock import DAY_MS, HOUR_MS, WEEK_MS, Clock, SystemClock, iso
from neural_hive_ml.conventions import EXIT_OK
from neural_hive_ml.settings import load_settings

# "0 2 * * 0", UTC. The epoch began on a Thursday: its first Sunday was three days later.
SCHEDULE: Final = "0 2 * * 0"
_FIRST_MS: Final = 3 * DAY_MS + 2 * HOUR_MS
# The arguments of the CronJob's training; the window is the command's default.
TRAINING: Final = (
    "--model-type", "all", "--promote-if-better", "--rollout", "auto", "--hyperparameter-tuning",
)  # fmt: skip


def next_training_ms(now_ms: int) -> int:
    """Return the first moment of the schedule after a moment.

    >>> iso(next_training_ms(1385856000000))  # a Sunday, midnight
    '2013-12-01T02:00:00.000Z'
    """
    return _FIRST_MS + ((now_ms - _FIRST_MS) // WEEK_MS + 1) * WEEK_MS


def keep_training(
    clock: Clock, wait: Callable[[float], bool], train: Callable[[], None], say: Callable[[str], None]
) -> None:
    """Train at every moment of the schedule until `wait` (of so many seconds) returns True. Never two at once.

    A moment that passes while a training runs is left out.
    """
    while True:
        due_ms = next_training_ms(clock.now_ms())
        say(f"next training: {iso(due_ms)}")
        while (left_ms := due_ms - clock.now_ms()) > 0:
            if wait(min(left_ms / 1000, LONGEST_WAIT_SECONDS)):
                return
        train()


@click.command("weekly")
def weekly_command() -> int:
    """Train all models on Sundays at two o'clock UTC, and promote winners as a job does, until Ctrl-C or SIGTERM.

    A Sunday on which this does not run is left out: `hive-ml train` makes up for it. A training that fails is on record,
    and the next one is tried a week later.

    \b
    Example:
      hive-ml retraining weekly
    """
    settings = load_settings()
    console = Console(stderr=True, highlight=False)
    console.print(describe(settings), soft_wrap=True)
    loop = CommandLoop()

    def train() -> None:
        code = loop.run(("train", *TRAINING))
        if code not in {None, EXIT_OK}:
            console.print(f"[red]the training ended with exit code {code}[/red]; docs/cli.md says what it means")

    keep_training(SystemClock(), loop.wait, train, console.print)
    console.print("ended")
    return EXIT_OK
