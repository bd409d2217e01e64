"""docs/settings.md names every variable once, with both defaults and what it may be, and no default that is secret."""

from neural_hive_ml.settings_page import settings_page
from neural_hive_ml.settings_table import SECTIONS, TABLE

CELLS = 5


def rows() -> dict[str, list[str]]:
    lines = [line.strip("| ").split(" | ") for line in settings_page().splitlines() if line.startswith("| `")]
    assert len({cells[0] for cells in lines}) == len(lines)
    return {cells[0].strip("`"): cells for cells in lines}


def test_the_page_holds_the_whole_table() -> None:
    assert list(rows()) == [setting.name for setting in TABLE]
    assert {len(cells) for cells in rows().values()} == {CELLS}
    for title, _ in SECTIONS:
        assert f"\n## {title}\n" in settings_page()


def test_a_row_says_both_defaults_and_what_the_variable_may_be() -> None:
    said = rows()
    assert said["STORE_TIMEOUT_SECONDS"][2:] == ["`5`", "same", "a number above 0"]
    assert said["REVIEW_AUDIT_SHARE"][2:] == ["`0.01`", "same", "a number from 0 to 1"]
    assert said["MONGODB_URI"][2:] == ["empty", "`mongodb://localhost:27017`", "text"]
    assert said["FLOOR_PROFILE"][4] == "`guide`, `relative`"
    assert said["FEATURE_CACHE"][4] == "`true` or `false`"
    assert said["HIVE_API_KEYS"][2:] == ["empty", "same", "text, secret"]


def test_no_secret_has_a_default() -> None:
    assert [s.name for s in TABLE if s.secret and (s.embedded or s.platform)] == []
