"""`hive-ml env`: shell exports, so that plain mlflow and python see the same registry as we do."""

import shlex
import sys
from pathlib import Path

import click

from neural_hive_ml.settings import load_settings


@click.command("env")
def env_command() -> None:
    """Print exports of PATH, MLFLOW_TRACKING_URI and HIVE_DATA_DIR for a POSIX shell.

    Example: eval "$(hive-ml env)"
    """
    settings = load_settings()
    scripts = Path(sys.executable).parent
    click.echo(f'export PATH={shlex.quote(str(scripts))}:"$PATH"')
    click.echo(f"export HIVE_DATA_DIR={shlex.quote(str(settings.data_dir))}")
    click.echo(f"export MLFLOW_TRACKING_URI={shlex.quote(settings.text('MLFLOW_TRACKING_URI'))}")
