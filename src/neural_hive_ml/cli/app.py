"""`hive-ml`: the console script. Commands are loaded when called, so that `--help` stays quick."""

import importlib
import os
import sys
from collections.abc import Sequence

import click

from neural_hive_ml import __version__
from neural_hive_ml.cli.exits import exit_code_of

# command -> module under neural_hive_ml.cli that holds a click command of the same name, and its one-line help
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "Run the whole loop on the shipped sample, in two minutes."),
    "train": ("train", "Train, judge, register and promote the models."),
    "up": ("up", "Run the whole system on this machine; one Ctrl-C ends it."),
    "serve": ("serve", "Run a service in the foreground."),
    "doctor": ("doctor", "Check every service and the data; print what mends a fault."),
    "tickets": ("tickets", "Import, count and export tickets; see what was refused."),
    "deadletters": ("deadletters", "Stream messages that could not be done: list, put back."),
    "score": ("score", "Score a file or a window of tickets into a Parquet file."),
    "predictions": ("predictions", "Put predictions of the past on record, before going live."),
    "feedback": ("feedback", "Carry human verdicts in and out."),
    "data": ("data", "Retention and erasure: prune what is old, purge a person's data."),
    "upkeep": ("upkeep", "Retention, backups, ClickHouse's copy, rollouts: by the clock."),
    "models": ("models", "List, inspect, compare, promote and roll back registered models."),
    "quality": ("quality", "Measure live quality from outcomes and verdicts; show it."),
    "drift": ("drift", "Check drift of the champions, show it, renew a reference."),
    "rollout": ("rollout", "Judge challengers in shadow and champions live: promote, abort, roll back."),
    "retraining": ("retraining", "Run, pause, resume and backtest drift-triggered retraining."),
    "explain": ("explain", "Say in plain words why anything happened."),
    "ledger": ("ledger", "List decisions and verify that nobody rewrote them."),
    "slo": ("slo", "Write the rules of the objectives; show where each objective stands."),
    "console": ("console", "Serve a read-only page of models, quality, drift and objectives."),
    "generate": ("generate", "Rewrite generated files, or check that none differs."),
    "backup": ("backup", "Back everything up while services run."),
    "restore": ("restore", "Put a backup into an empty data folder."),
    "migrate": ("migrate", "Bring the stores to this release's schema, or only look."),
    "keys": ("keys", "Make API keys and the pair that signs artifacts."),
    "config": ("config", "Show each setting and where its value came from."),
    "env": ("env", 'Print shell exports, for eval "$(hive-ml env)".'),
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"neural_hive_ml.cli.{COMMANDS[cmd_name][0]}")
        command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hive-ml")
def hive_ml() -> None:
    """Predictive operations over execution tickets: train, serve, watch, retrain, explain.

    Start with `make demo`, or: hive-ml tickets import FILE, then
    ml_pipelines/training/train_initial_models.sh.
    """


def _set_up_logs() -> None:
    """Logs of a command go to standard error, warnings and worse: standard output is its answer.

    Raises `UsageError` for a level or format that is none. Services set up their own.
    """
    from neural_hive_ml.observability.logs import setup_logs

    level, form = os.environ.get("HIVE_LOG_LEVEL", "WARNING"), os.environ.get("HIVE_LOG_FORMAT", "auto")
    setup_logs("hive-ml", level=level, log_format=form)


def run(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run a click command and return its exit code; expected errors print what, where and what to do."""
    try:
        _set_up_logs()
        result = command.main(args=arguments, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except Exception as error:
        code = exit_code_of(error)
        if code is None:
            raise
        click.echo(f"error: {error}", err=True)
        return code
    return result if isinstance(result, int) else 0


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(hive_ml))
