"""The folder that a demo works in: its own, marked, and made anew each time."""

import shutil
from dataclasses import replace
from pathlib import Path

from neural_hive_ml.settings import Settings, load_settings

MARKER = ".made-by-demo"


def demo_settings(environment: dict[str, str], default: Settings) -> Settings:
    """Return embedded settings on a folder that the demo may empty.

    The default data folder when it is empty or an earlier demo made it; else `<data>-demo` beside it, so that
    nobody's tickets or models are touched.
    """
    folder = default.data_dir
    if not _may_use(folder):
        folder = folder.with_name(folder.name + "-demo")
    names = (
        "MONGODB_URI",
        "CLICKHOUSE_HOST",
        "REDIS_URL",
        "MLFLOW_TRACKING_URI",
        "HIVE_API_KEYS",
        "HIVE_VERIFY_KEYS",
    )
    kept = {k: v for k, v in environment.items() if k not in names}
    chosen = {
        "HIVE_PROFILE": "embedded",
        "HIVE_DATA_DIR": str(folder),
        "FLOOR_PROFILE": "relative",
        "ROLLOUT_MODE": "direct",  # two minutes are too short for a day in shadow
    }
    settings = load_settings({**kept, **chosen})
    return replace(settings, data_dir=folder)


def _may_use(folder: Path) -> bool:
    return not folder.exists() or (folder / MARKER).exists() or not any(folder.iterdir())


def make_anew(folder: Path) -> None:
    """Empty the demo's own folder and mark it. Only a folder that `demo_settings` chose may be given."""
    if folder.exists():
        assert _may_use(folder), folder
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARKER).write_text("Made by `hive-ml demo`, which empties this folder when it runs again.\n")
