"""Settings: one table of variables, two profiles of defaults, and where each value came from.

A variable that is set always wins. `embedded` (a bare checkout) keeps everything as files under one
data folder; `platform` (images and manifests set HIVE_PROFILE=platform) has the guide's defaults.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from neural_hive_ml.addresses import mask
from neural_hive_ml.errors import UsageError
from neural_hive_ml.setting import ANY, Setting
from neural_hive_ml.settings_table import TABLE

PROFILES: Final = ("embedded", "platform")


@dataclass(frozen=True, slots=True)
class Value:
    """A resolved setting: its text and where it came from (``environment``, ``file``, ``default (embedded)``)."""

    setting: Setting
    text: str
    origin: str

    @property
    def shown(self) -> str:
        """The text as it may be printed: secrets and credentials masked."""
        if self.setting.secret:
            return "***" if self.text else ""
        return mask(self.text)


@dataclass(frozen=True, slots=True)
class Settings:
    """All resolved settings; read one with `text`, `number`, `flag`, `path`."""

    profile: str
    data_dir: Path
    values: Mapping[str, Value] = field(repr=False)

    def text(self, name: str) -> str:
        """Return a setting's text; empty means not set. Raises `UsageError` for none of the values that there are."""
        value = self.values[name]
        allowed = value.setting.one_of
        if allowed and value.text not in allowed:
            raise UsageError(f"{name}={value.text!r} is unknown", remedy=f"use {', '.join(allowed)}")
        if value.setting.zone:
            _check_zone(value)
        return value.text

    def number(self, name: str) -> float:
        """Return a setting as a number. Raises `UsageError` naming the variable when it is not one, or not in its range."""
        return _number(self.values[name])

    def integer(self, name: str) -> int:
        """Return a setting as a whole number. Raises `UsageError` when it is not one, or not in its range."""
        return int(_number(self.values[name], whole=True))

    def flag(self, name: str) -> bool:
        """Return a setting as a truth value. Raises `UsageError` for anything but true/false/1/0/yes/no."""
        text = self.text(name).strip().lower()
        if text in {"true", "1", "yes", "on"}:
            return True
        if text in {"false", "0", "no", "off", ""}:
            return False
        raise UsageError(f"{name}={text!r} is neither true nor false", remedy=f"set {name}=true or false")

    def faults(self) -> dict[str, UsageError]:
        """Return what is wrong with each setting that cannot be read as what it is; none when all can."""
        found: dict[str, UsageError] = {}
        for name, value in self.values.items():
            read = self.number if value.setting.number else self.flag if value.setting.flag else self.text
            try:
                read(name)
            except UsageError as error:
                found[name] = error
        return found


def _check_zone(value: Value) -> None:
    try:
        ZoneInfo(value.text)
    except (OSError, ValueError, KeyError):  # what ZoneInfo says of folders, paths and unknown names
        name = value.setting.name
        raise UsageError(
            f"{name}={value.text!r} is no time zone",
            remedy=f"set {name} to an IANA name, such as America/Sao_Paulo",
        ) from None


def _number(value: Value, *, whole: bool = False) -> float:
    setting = value.setting
    known = setting.number or ANY
    remedy = f"set {setting.name} to {known}; the default is {setting.embedded}"
    try:
        number = float(value.text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{setting.name}={value.text!r} is not a number", remedy=remedy)
    if (whole or known.whole) and not number.is_integer():
        raise UsageError(f"{setting.name}={value.text!r} is not a whole number", remedy=remedy)
    if number not in known:
        raise UsageError(f"{setting.name}={value.text!r} is out of range", remedy=remedy)
    return number


def checkout_root() -> Path | None:
    """Return the root of the checkout this package runs from, or None when it is installed."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "ml_pipelines").is_dir() else None


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """Return the data folder of a machine where HIVE_DATA_DIR is not set."""
    root = checkout_root()
    if root is not None:
        return root / ".hive"
    share = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(share) / "neural-hive-ml"


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Resolve every setting from the environment, `NAME_FILE` secret files, and the profile's default.

    Raises
    ------
    UsageError
        For an unknown profile, or a `NAME_FILE` that cannot be read.
    """
    env = os.environ if environment is None else environment
    profile = env.get("HIVE_PROFILE", "embedded")
    if profile not in PROFILES:
        raise UsageError(f"HIVE_PROFILE={profile!r} is unknown", remedy="use embedded or platform")
    set_dir = env.get("HIVE_DATA_DIR")
    data_dir = Path(set_dir).resolve() if set_dir else default_data_dir(env)
    values = {s.name: _resolve(s, env, profile, data_dir) for s in TABLE}
    return Settings(profile=profile, data_dir=data_dir, values=values)


def _resolve(setting: Setting, env: Mapping[str, str], profile: str, data_dir: Path) -> Value:
    if setting.name in env:
        return Value(setting, env[setting.name], "environment")
    file_name = env.get(f"{setting.name}_FILE")
    if file_name:
        try:
            return Value(setting, Path(file_name).read_text(encoding="utf-8").strip(), f"file {file_name}")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise UsageError(
                f"{setting.name}_FILE={file_name} cannot be read: {why}",
                remedy="mount the secret or unset the variable",
            ) from error
    default = setting.embedded if profile == "embedded" or setting.platform is None else setting.platform
    return Value(setting, default.replace("{data}", str(data_dir)), f"default ({profile})")
