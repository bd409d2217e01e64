"""`hive-ml upkeep`: what must be done again and again, one job of it or all by the clock."""

import subprocess
from collections.abc import Callable, Collection

import click

from neural_hive_ml.bootstrap import describe
from neural_hive_ml.cli.by_the_clock import LONGEST_WAIT_SECONDS, CommandLoop, command_of
from neural_hive_ml.clock import Clock, SystemClock, iso
from neural_hive_ml.conventions import EXIT_OK
from neural_hive_ml.settings import Settings, load_settings
from neural_hive_ml.upkeep.schedule import JOBS, Job


@click.group("upkeep")
def upkeep_command() -> None:
    """Retention, backups, ClickHouse's copy and rollouts, by the clock. Kubernetes runs the same jobs as CronJobs."""


@upkeep_command.command("run")
@click.argument("job", type=click.Choice(tuple(JOBS)))
def run_command(job: str) -> int:
    """Do one job now; where the setting that it needs is not set, say so and do nothing.

    The exit code is that of the command that the job runs.

    Example: hive-ml upkeep run data-prune
    """
    one = JOBS[job]
    if not _wanted(one, load_settings()):
        click.echo(f"{one.name}: nothing to do, {one.needs} is not set")
        return EXIT_OK
    return subprocess.run(command_of(one.arguments), check=False).returncode


@upkeep_command.command("loop")
def loop_command() -> int:
    """Do all jobs, each at its moments (UTC), one after the other, until Ctrl-C or SIGTERM.

    A job that fails says so and is tried again at its next moment; moments that pass while another job runs are made up
    for once.

    Example: BACKUP_DIR=/backups hive-ml upkeep loop
    """
    settings = load_settings()
    click.echo(describe(settings), err=True)
    loop = CommandLoop()

    def work(job: Job) -> None:
        click.echo(f"{iso(SystemClock().now_ms())} {job.name}")
        code = loop.run(job.arguments)
        if code not in {None, EXIT_OK}:
            click.echo(f"{job.name} ended with exit code {code}; docs/cli.md says what it means", err=True)

    wanted = [job for job in JOBS.values() if _wanted(job, settings)]
    keep_up(wanted, SystemClock(), loop.wait, work)
    click.echo("ended", err=True)
    return EXIT_OK


@upkeep_command.command("list")
def list_command() -> None:
    """Show the jobs, their schedule (cron, UTC) and whether the settings ask for them.

    Example: hive-ml upkeep list
    """
    settings = load_settings()
    for job in JOBS.values():
        state = "" if _wanted(job, settings) else f" (left out: {job.needs} is not set)"
        click.echo(f"{job.name:18} {job.cron:14} hive-ml {' '.join(job.arguments)}: {job.why}{state}")


def keep_up(
    jobs: Collection[Job], clock: Clock, wait: Callable[[float], bool], work: Callable[[Job], None]
) -> None:
    """Do each job at its moments, the one that is due first before the others, until `wait` (of seconds) returns True."""
    now_ms = clock.now_ms()
    due = {job.name: now_ms if job.at_start else job.next_ms(now_ms) for job in jobs}
    while True:
        job = min(jobs, key=lambda one: due[one.name])
        left_ms = due[job.name] - clock.now_ms()
        if wait(min(max(left_ms, 0) / 1000, LONGEST_WAIT_SECONDS)):
            return
        if clock.now_ms() >= due[job.name]:
            due[job.name] = job.next_ms(clock.now_ms())
            work(job)


def _wanted(job: Job, settings: Settings) -> bool:
    return not job.needs or bool(settings.text(job.needs))
