"""`hive-ml slo` and `hive-ml generate` as people type them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.cli.generate import generated_files

ROOT = Path(__file__).parents[3]


def typed(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(hive_ml, arguments, standalone_mode=False)
    return result.return_value, result.output


def test_the_checkout_holds_what_is_generated():
    code, said = typed("generate", "--check", "--out", str(ROOT))
    assert code == 0, said


def test_generate_writes_checks_and_names_what_differs(tmp_path: Path):
    assert typed("generate", "--out", str(tmp_path))[0] == 0
    assert typed("generate", "--check", "--out", str(tmp_path))[0] == 0
    changed = tmp_path / "prometheus-rules" / "ml-slo-alerts.yaml"
    changed.write_text(changed.read_text().replace("for: 5m", "for: 6m"))
    code, said = typed("generate", "--check", "--out", str(tmp_path))
    assert code == 1
    assert "differs prometheus-rules/ml-slo-alerts.yaml" in said
    assert changed.read_text().count("for: 6m")
    assert typed("generate", "--out", str(tmp_path))[0] == 0
    assert changed.read_text() == generated_files()["prometheus-rules/ml-slo-alerts.yaml"]


def test_slo_generate_with_a_time_scale_writes_plain_rules_only(tmp_path: Path):
    code, said = typed("slo", "generate", "--time-scale", "720", "--out", str(tmp_path))
    assert code == 0, said
    assert [path.name for path in sorted(tmp_path.rglob("*.yaml"))] == ["ml-slo-alerts.yaml", "ml-slo-rules.yaml"]


def test_slo_check_lists_budgets_and_refuses_what_cannot_fire(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, said = typed("slo", "check")
    assert code == 0
    assert "14.4 (1h)" in " ".join(said.split())
    own = tmp_path / "objectives.yaml"
    shipped = (ROOT / "src/neural_hive_ml/slo/objectives.yaml").read_text()
    own.write_text(shipped.replace("{kind: time, objective: 0.95}", "{kind: time, objective: 0.75}"))
    assert run(hive_ml, ["slo", "check", "--objectives", str(own)]) == 2
    assert "can never burn faster than 4" in capsys.readouterr().err


def test_slo_status_says_who_did_not_answer(capsys: pytest.CaptureFixture[str]):
    assert run(hive_ml, ["slo", "status", "--prometheus", "http://127.0.0.1:9"]) == 4
    assert "set PROMETHEUS_URL" in capsys.readouterr().err
