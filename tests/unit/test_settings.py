"""Two profiles of defaults, a set variable that wins, where each value came from, and no secret printed."""

from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural_hive_ml.addresses import mask
from neural_hive_ml.errors import UsageError
from neural_hive_ml.evaluation.floors import demands
from neural_hive_ml.setting import Number, Setting
from neural_hive_ml.settings import Settings, load_settings
from neural_hive_ml.settings_table import TABLE

# The guide's table "Variaveis de Ambiente", column "Padrao".
GUIDE = {
    "MONGODB_URI": "mongodb://localhost:27017",
    "MLFLOW_TRACKING_URI": "http://localhost:5000",
    "CLICKHOUSE_HOST": "localhost",
    "DRIFT_THRESHOLD": "0.2",
    "DRIFT_CHECK_INTERVAL_MINUTES": "60",
}
PLATFORM = {"HIVE_PROFILE": "platform"}


def loaded(**variables: str) -> Settings:
    return load_settings({"HIVE_DATA_DIR": "/data", **variables})


@pytest.mark.parametrize("name", GUIDE)
def test_platform_defaults_are_the_guide_s_table(name: str) -> None:
    value = loaded(**PLATFORM).values[name]
    assert (value.text, value.origin) == (GUIDE[name], "default (platform)")


def test_embedded_needs_no_server() -> None:
    settings = loaded()
    assert settings.profile == "embedded"
    assert settings.data_dir == Path("/data")
    assert settings.text("MLFLOW_TRACKING_URI") == "sqlite:////data/mlflow.db"
    assert [settings.text(n) for n in ("MONGODB_URI", "CLICKHOUSE_HOST", "REDIS_URL")] == ["", "", ""]
    assert settings.text("HIVE_HOST") == "127.0.0.1"
    assert all(v.origin == "default (embedded)" for n, v in settings.values.items() if n != "HIVE_DATA_DIR")
    assert not any("{data}" in v.text for v in settings.values.values())


@pytest.mark.parametrize("profile", ["embedded", "platform"])
@pytest.mark.parametrize(
    "setting", [s for s in TABLE if not s.name.startswith("HIVE_PROFILE")], ids=lambda s: s.name
)
def test_a_set_variable_wins_and_says_so(setting: Setting, profile: str) -> None:
    name = setting.name
    value = loaded(HIVE_PROFILE=profile, **({} if name == "HIVE_DATA_DIR" else {name: "42"})).values[name]
    assert value.origin == "environment"
    assert value.text == ("/data" if name == "HIVE_DATA_DIR" else "42")


def test_a_variable_set_to_nothing_is_set() -> None:
    value = loaded(HIVE_PROFILE="platform", MONGODB_URI="").values["MONGODB_URI"]
    assert (value.text, value.origin) == ("", "environment")


def test_mongodb_alone_switches_nothing_else() -> None:
    changed = loaded(MONGODB_URI="mongodb://m")
    plain = loaded()
    differ = {n for n in plain.values if plain.values[n] != changed.values[n]}
    assert differ == {"MONGODB_URI"}


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    value = loaded(CLICKHOUSE_PASSWORD_FILE=str(file)).values["CLICKHOUSE_PASSWORD"]
    assert (value.text, value.origin) == ("s3cret", f"file {file}")
    both = loaded(CLICKHOUSE_PASSWORD_FILE=str(file), CLICKHOUSE_PASSWORD="direct")
    assert both.text("CLICKHOUSE_PASSWORD") == "direct"
    unset = loaded(CLICKHOUSE_PASSWORD_FILE="")
    assert unset.values["CLICKHOUSE_PASSWORD"].origin == "default (embedded)"


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=r"MONGODB_URI_FILE=.*secret cannot be read") as caught:
        loaded(MONGODB_URI_FILE=str(file))
    assert "mount the secret" in caught.value.remedy


SECRETS = ("CLICKHOUSE_PASSWORD", "MLFLOW_TRACKING_PASSWORD", "HIVE_SIGNING_KEY", "HIVE_API_KEYS")


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_never_shown(name: str) -> None:
    settings = loaded(**{name: "hunter2"})
    assert settings.values[name].shown == "***"
    assert loaded().values[name].shown == ""
    assert "hunter2" not in repr(settings)


def test_everything_that_sounds_secret_is_secret() -> None:
    sounding = {
        s.name for s in TABLE if any(w in s.name for w in ("PASSWORD", "SIGNING", "API_KEYS", "TOKEN", "SECRET"))
    }
    assert {s.name for s in TABLE if s.secret} >= sounding


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("mongodb://user:pass@mongodb:27017", "mongodb://***@mongodb:27017"),
        ("mongodb://user:pass@a:1,b:2/db?replicaSet=r", "mongodb://***@a:1,b:2/db?***"),
        ("redis://:pass@redis:6379/0", "redis://***@redis:6379/0"),
        ("http://user@mlflow:5000", "http://***@mlflow:5000"),
        ("http://u:p@ss@mlflow:5000", "http://***@mlflow:5000"),
        # Not escaped, as people type them: what cannot be parsed must not be shown either.
        ("mongodb://user:pa/ss@mongodb:27017/db", "mongodb://***@mongodb:27017/db"),
        ("mongodb://user:pa?ss@mongodb:27017", "mongodb://***@mongodb:27017"),
        ("mongodb://user:pa#ss@mongodb:27017", "mongodb://***@mongodb:27017"),
        ("mongodb://user:pa[ss@mongodb:27017", "mongodb://***@mongodb:27017"),
        # Options may be passwords, and what may be either is shown as neither.
        ("redis://redis:6379/0?password=hunter2", "redis://redis:6379/0?***"),
        ("mongodb://a/?tls=true&tlsCertificateKeyFilePassword=hunter2", "mongodb://a/?***"),
        ("redis://redis:6379/0?password=p@ss", "redis://***"),
        ("mongodb://user:pa?s=s@mongodb:27017", "mongodb://***"),
        ("http://mlflow:5000/path", "http://mlflow:5000/path"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("mongodb://[::1]:27017", "mongodb://[::1]:27017"),
        ("", ""),
        ("plain text", "plain text"),
    ],
)
def test_credentials_of_a_uri_are_masked(uri: str, shown: str) -> None:
    assert mask(uri) == shown
    assert loaded(MONGODB_URI=uri).values["MONGODB_URI"].shown == shown


@given(st.text(min_size=6).filter(lambda p: p not in "mongodb://***@mongodb:27017/db"))
def test_no_password_is_shown_whatever_is_in_it(password: str) -> None:
    assert password not in mask(f"mongodb://user:{password}@mongodb:27017/db")


@given(st.text(min_size=6).filter(lambda p: p not in "redis://redis:6379/0?***"))
def test_no_option_is_shown_whatever_is_in_it(password: str) -> None:
    assert password not in mask(f"redis://redis:6379/0?password={password}")


@pytest.mark.parametrize("name", ["DRIFT_THRESHOLD", "HIVE_MODEL_REFRESH_SECONDS", "STORE_TIMEOUT_SECONDS"])
@pytest.mark.parametrize("text", ["", "a lot", "0,2", "nan", "inf", "-inf", "1e999"])
def test_what_is_no_number_names_the_variable(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"{name}={text!r} is not a number") as caught:
        loaded(**{name: text}).number(name)
    assert f"set {name}" in caught.value.remedy


@pytest.mark.parametrize(("text", "number"), [("0.25", 0.25), (" 3 ", 3.0), ("1e-3", 0.001), ("0", 0.0)])
def test_numbers(text: str, number: float) -> None:
    assert loaded(DRIFT_THRESHOLD=text).number("DRIFT_THRESHOLD") == number


def test_whole_numbers() -> None:
    assert loaded(RETRAINING_WEEKLY_BUDGET="7").integer("RETRAINING_WEEKLY_BUDGET") == 7
    for text in ("1.5", "x", "nan"):
        with pytest.raises(UsageError, match="RETRAINING_WEEKLY_BUDGET"):
            loaded(RETRAINING_WEEKLY_BUDGET=text).integer("RETRAINING_WEEKLY_BUDGET")


@pytest.mark.parametrize("setting", [s for s in TABLE if s.number], ids=lambda s: s.name)
def test_a_number_out_of_its_range_is_refused_by_name(setting: Setting) -> None:
    known = setting.number
    assert known is not None
    step = 1.0 if known.whole else 0.125
    inside = {known.least + step, *([] if known.above else [known.least])} | ({known.most} - {inf})
    outside = {known.least - step, *([known.least] if known.above else []), known.most + step} - {inf}
    for number in inside:
        assert loaded(**{setting.name: f"{number:g}"}).number(setting.name) == number
    for number in outside:
        with pytest.raises(UsageError, match=f"{setting.name}='{number:g}' is out of range") as caught:
            loaded(**{setting.name: f"{number:g}"}).number(setting.name)
        assert f"set {setting.name} to {known}" in caught.value.remedy
    if known.whole:
        with pytest.raises(UsageError, match="is not a whole number"):
            loaded(**{setting.name: f"{known.least + 0.5}"}).number(setting.name)


def test_what_a_number_may_be_is_said_in_words() -> None:
    said = [str(n) for n in (Number(), Number(above=True), Number(1, whole=True), Number(0, 1))]
    assert said == ["a number from 0", "a number above 0", "a whole number from 1", "a number from 0 to 1"]


def test_all_faults_are_told_at_once() -> None:
    wrong = {
        "TICKET_RETENTION_DAYS": "-1",
        "FEATURE_CACHE": "perhaps",
        "SCHEDULING_MODEL_TYPE": "tree",
        "CALENDAR_TIMEZONE": "Mars",
    }
    faults = loaded(**wrong).faults()
    assert sorted(faults) == sorted(wrong)
    assert all(fault.what.startswith(f"{name}=") and fault.remedy for name, fault in faults.items())
    assert [loaded(HIVE_PROFILE=profile).faults() for profile in ("embedded", "platform")] == [{}, {}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("Yes", True),
        (" on ", True),
        ("1", True),
        ("FALSE", False),
        ("no", False),
        ("0", False),
        ("", False),
    ],
)
def test_truth_values(text: str, value: bool) -> None:
    assert loaded(HIVE_METRIC_ALIASES=text).flag("HIVE_METRIC_ALIASES") is value


def test_neither_true_nor_false_says_so() -> None:
    with pytest.raises(UsageError, match="HIVE_METRIC_ALIASES='maybe' is neither true nor false"):
        loaded(HIVE_METRIC_ALIASES="maybe").flag("HIVE_METRIC_ALIASES")


@pytest.mark.parametrize("name", [s.name for s in TABLE if s.one_of])
def test_where_only_some_values_exist_others_are_refused(name: str) -> None:
    for known in next(s.one_of for s in TABLE if s.name == name):
        assert loaded(**{name: known}).text(name) == known
        assert known in next(s.meaning for s in TABLE if s.name == name)
    with pytest.raises(UsageError, match=f"{name}='another' is unknown") as caught:
        loaded(**{name: "another"}).text(name)
    assert "use " in caught.value.remedy


def test_the_floor_profiles_are_those_that_there_are() -> None:
    for profile in next(s.one_of for s in TABLE if s.name == "FLOOR_PROFILE"):
        assert demands("anomaly", profile).floors


@pytest.mark.parametrize("text", ["America/Sao_Paulo", "UTC", "Asia/Kathmandu"])
def test_time_zones(text: str) -> None:
    assert loaded(CALENDAR_TIMEZONE=text).text("CALENDAR_TIMEZONE") == text


@pytest.mark.parametrize("text", ["America/Sao_Paolo", "", "/etc/passwd", "../UTC", "America", "\0", "UTC+3"])
def test_what_is_no_time_zone_names_the_variable(text: str) -> None:
    with pytest.raises(UsageError, match=r"CALENDAR_TIMEZONE=.* is no time zone"):
        loaded(CALENDAR_TIMEZONE=text).text("CALENDAR_TIMEZONE")


@pytest.mark.parametrize("profile", ["production", "Platform", ""])
def test_an_unknown_profile_names_the_known_ones(profile: str) -> None:
    with pytest.raises(UsageError, match=f"HIVE_PROFILE={profile!r} is unknown") as caught:
        loaded(HIVE_PROFILE=profile)
    assert "embedded or platform" in caught.value.remedy


@pytest.mark.parametrize("profile", ["embedded", "platform"])
def test_every_default_can_be_read_as_what_it_is(profile: str) -> None:
    settings = loaded(HIVE_PROFILE=profile)
    units = ("_SECONDS", "_MINUTES", "_HOURS", "_DAYS", "_PORT", "_THRESHOLD", "_BUDGET")
    numbers = [n for n in settings.values if n.endswith(units)]
    assert len(numbers) >= 9
    assert all(settings.number(n) >= 0 for n in numbers)
    assert [settings.flag(n) for n in ("HIVE_METRIC_ALIASES", "ALLOW_SYNTHETIC_FALLBACK")] == [True, False]


def test_names_are_unique_and_explained() -> None:
    assert len({s.name for s in TABLE}) == len(TABLE)
    assert all(s.meaning and s.name.isupper() for s in TABLE)


def test_the_data_folder_of_a_checkout_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).resolve().parents[2]
    assert load_settings({}).data_dir == root / ".hive"
    monkeypatch.setattr("neural_hive_ml.settings.checkout_root", lambda: None)
    assert load_settings({"XDG_DATA_HOME": "/share"}).data_dir == Path("/share/neural-hive-ml")
    assert load_settings({"HIVE_DATA_DIR": "relative"}).data_dir == Path("relative").resolve()
