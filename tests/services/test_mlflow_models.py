"""What others do with our models through MLflow: the guide's snippets, pyfunc, a fresh process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.support.registry import NAME, duration_model, evaluation, linear_model, verdict

from neural_hive_ml.conventions import CHAMPION
from neural_hive_ml.registry.mlflow_registry import MlflowRegistry
from neural_hive_ml.registry.published import FilePointerSource
from neural_hive_ml.scoring.load_scorer import load_scorer
from neural_hive_ml.scoring.packed import PackedModel

SCHEDULING = "scheduling-predictor-xgboost"

# As the guide prints them, sections "Verificacao" and "Modelo nao carrega".
SNIPPET = """
from mlflow.tracking import MlflowClient
client = MlflowClient()
for model in ['anomaly-detector-isolation_forest', 'scheduling-predictor-xgboost']:
    versions = client.get_latest_versions(model, stages=['Production'])
    print(f"{model}: v{versions[0].version if versions else 'N/A'}")
versions = client.get_latest_versions('anomaly-detector-isolation_forest', stages=['Production'])
print('Production versions:', [v.version for v in versions])
"""

PYFUNC = """
import json, sys
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/scheduling-predictor-xgboost@champion")
frame = pd.DataFrame(json.load(open(sys.argv[2])))
print(model.predict(frame).to_json(orient="values", double_precision=15))
print(mlflow.pyfunc.load_model("models:/scheduling-predictor-xgboost/Production").metadata.signature is not None)
import neural_hive_ml.clock  # the installed package stays whole beside the logged code
"""

FRESH = """
import sys
from pathlib import Path
from neural_hive_ml.registry.published import FilePointerSource
from neural_hive_ml.registry.verify import verify_checked
from neural_hive_ml.scoring.load_scorer import load_scorer
source = FilePointerSource(Path(sys.argv[1]))
published = source.current("scheduling-predictor-xgboost")
verified = verify_checked(source.read(published), load_scorer=load_scorer)
heavy = {"mlflow", "pandas", "sklearn", "xgboost", "pyarrow", "matplotlib", "cryptography", "prophet"}
print(verified.digest == published.digest, sorted(heavy & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def model() -> PackedModel:
    return duration_model()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, model: PackedModel, mlflow_database: Path) -> Path:
    """A data folder with two promoted models, as the demo leaves it."""
    folder = tmp_path_factory.mktemp("data")
    shutil.copy(mlflow_database, folder / "mlflow.db")
    registry = MlflowRegistry(uri_of(folder), folder)
    registry.register(linear_model(), evaluation(), verdict(), {})
    registry.register(model, evaluation(SCHEDULING), verdict(), {})
    registry.register(model, evaluation(SCHEDULING), verdict(), {})
    for name, version in ((NAME, 1), (SCHEDULING, 1), (SCHEDULING, 2)):
        registry.move_alias(name, CHAMPION, version)
        registry.publish(name, CHAMPION)
    return folder


def uri_of(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def run(code: str, *arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, env={**os.environ, **environment}, text=True,
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip


def test_the_guide_s_snippets_print_versions(folder: Path) -> None:
    done = run(SNIPPET, folder=folder, MLFLOW_TRACKING_URI=uri_of(folder))

    assert done.stdout.splitlines() == [
        "anomaly-detector-isolation_forest: v1",
        "scheduling-predictor-xgboost: v2",
        "Production versions: [1]",
    ]


def test_pyfunc_scores_as_serving_does(folder: Path, model: PackedModel, tmp_path: Path) -> None:
    import json

    rows = model.golden.rows[:5]
    columns = {name: rows[:, i].tolist() for i, name in enumerate(model.documents["inputs"])}
    shuffled = dict(reversed(columns.items()))
    (tmp_path / "rows.json").write_text(json.dumps(shuffled))

    done = run(PYFUNC, uri_of(folder), str(tmp_path / "rows.json"), folder=tmp_path)

    scores, signature = done.stdout.splitlines()[-2:]
    np.testing.assert_allclose(json.loads(scores), load_scorer(model).reproduce(rows), rtol=1e-12)
    assert signature == "True"


def test_a_fresh_process_serves_without_the_heavy_libraries(folder: Path) -> None:
    done = run(FRESH, str(folder), folder=folder)

    assert done.stdout.split() == ["True", "[]"]
    assert FilePointerSource(folder).current(SCHEDULING) is not None


def test_registering_is_quiet_and_leaves_nothing_behind(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from neural_hive_ml.registry.mlflow_registry import MlflowRegistry
from tests.support.registry import evaluation, linear_model, verdict
folder = Path(sys.argv[1])
registry = MlflowRegistry(f"sqlite:///{folder}/data/mlflow.db", folder / "data")
registry.register(linear_model(), evaluation(), verdict(), {})
"""
    root = str(Path(__file__).resolve().parents[2])

    done = run(code, str(tmp_path), folder=tmp_path, PYTHONPATH=root)

    assert done.stdout == ""
    assert done.stderr == ""
    assert [p.name for p in tmp_path.iterdir()] == ["data"]
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["mlartifacts", "mlflow.db"]


def test_nothing_in_a_logged_model_is_a_pickle(folder: Path) -> None:
    names = {p.suffix for p in (folder / "mlartifacts").rglob("*") if p.is_file()}

    assert not names & {".pkl", ".pickle", ".joblib", ".dill"}
    assert {".npy", ".json", ".py", ".ubj"} <= names


def test_deleting_a_version_removes_its_files_and_no_others(tmp_path: Path, folder: Path) -> None:
    shutil.copytree(folder / "mlartifacts", tmp_path / "kept")  # only to count: paths are absolute
    registry = MlflowRegistry(uri_of(folder), folder)
    before = {p for p in (folder / "mlartifacts").glob("*/*") if p.is_dir()}
    version = registry.register(linear_model(seed=8), evaluation(), verdict(), {"model_card.md": b"#"})

    registry.delete(NAME, version.version)

    left = [p for p in (folder / "mlartifacts").rglob("*") if p.is_file()]
    assert len(left) == len([p for p in (tmp_path / "kept").rglob("*") if p.is_file()])
    assert before <= set((folder / "mlartifacts").glob("*/*"))
    assert (folder / "published" / "artifacts").is_dir()
    assert len(list((folder / "published" / "artifacts").iterdir())) == 2
