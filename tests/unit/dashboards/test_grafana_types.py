"""The dashboards judged by Grafana's own TypeScript types: no unknown key, no wrong type, no null."""

import json
import subprocess
from pathlib import Path

import pytest

from neural_hive_ml.dashboards.files import dashboards
from neural_hive_ml.dashboards.grafana import grafana_model
from neural_hive_ml.slo.spec import load_objectives

TYPES = Path(__file__).parents[3] / ".tools" / "node"
COMPILER = TYPES / "node_modules" / ".bin" / "tsc"
RAW = "@grafana/schema/dist/esm/raw/composable"
OPTIONS = {
    "stat": ("stat/panelcfg/x/StatPanelCfg_types.gen", "Options"),
    "gauge": ("gauge/panelcfg/x/GaugePanelCfg_types.gen", "Options"),
    "bargauge": ("bargauge/panelcfg/x/BarGaugePanelCfg_types.gen", "Options"),
    "timeseries": ("timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen", "Options"),
    "state-timeline": ("statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen", "Options"),
    "heatmap": ("heatmap/panelcfg/x/HeatmapPanelCfg_types.gen", "Options"),
    "table": ("table/panelcfg/x/TablePanelCfg_types.gen", "Options"),
}


def compiled(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    if not COMPILER.exists():
        raise RuntimeError(f"{COMPILER} is missing; next: scripts/install_test_servers.sh")
    file = folder / "check.ts"
    file.write_text(source)
    (folder / "node_modules").symlink_to(TYPES / "node_modules")
    command = [
        str(COMPILER),
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--module",
        "nodenext",
        "--target",
        "es2022",
    ]
    return subprocess.run([*command, str(file)], capture_output=True, text=True, check=False, cwd=folder)


def source_of(models: list[dict]) -> str:
    imports = ["import type { Dashboard, Panel, RowPanel } from '@grafana/schema';"]
    names = {}
    for kind, (path, exported) in OPTIONS.items():
        names[kind] = f"{kind.replace('-', '')}Options"
        imports.append(f"import type {{ {exported} as {names[kind]} }} from '{RAW}/{path}';")
    lines = []
    for model in models:
        lines.append(checked("Partial<Dashboard>", {key: v for key, v in model.items() if key != "panels"}))
        for panel in model["panels"]:
            if panel["type"] == "row":
                lines.append(checked("RowPanel", panel))
                continue
            lines.append(checked("Panel", panel))
            lines.append(checked(f"Partial<{names[panel['type']]}>", panel["options"]))
    return "\n".join([*imports, LOOSE, "function checked<T>(_: Loose<T>): void {}", *lines, ""])


def checked(kind: str, value: dict) -> str:
    if "annotations" in value:
        # The query of a mark, titleFormat and textFormat are the Prometheus plugin's own, not Grafana's.
        own = {"titleFormat", "textFormat", "target"}
        marks = [{k: v for k, v in mark.items() if k not in own} for mark in value["annotations"]["list"]]
        value = {**value, "annotations": {"list": marks}}
    return f"checked<{kind}>({json.dumps(value)});"


# TypeScript's enums are nominal: a JSON string is given for each, as Grafana's own files do.
LOOSE = (
    "type Loose<T> = T extends string ? string : T extends number ? number : T extends boolean ? boolean : "
    "T extends (infer E)[] ? Loose<E>[] : T extends object ? { [K in keyof T]: Loose<T[K]> } : T;"
)


def test_grafanas_types_accept_every_dashboard(tmp_path: Path):
    models = [grafana_model(one) for one in dashboards(load_objectives())]
    said = compiled(tmp_path, source_of(models))
    assert said.returncode == 0, said.stdout[:4000]


@pytest.mark.parametrize(
    ("change", "complains"),
    [
        (
            lambda panel: panel.update(gridPos={"x": "0", "y": 0, "w": 4, "h": 4}),
            "'string' is not assignable to type 'number'",
        ),
        (lambda panel: panel.update(colour="red"), "colour"),
        (lambda panel: panel["options"].update(graphModus="none"), "graphModus"),
    ],
)
def test_grafanas_types_refuse_what_is_wrong(tmp_path: Path, change, complains: str):
    """The check can fail: otherwise its yes would mean nothing."""
    model = grafana_model(dashboards(load_objectives())[0])
    model = json.loads(json.dumps({**model, "panels": [p for p in model["panels"] if p["type"] == "stat"][:1]}))
    change(model["panels"][0])
    said = compiled(tmp_path, source_of([model]))
    assert said.returncode != 0
    assert complains in said.stdout
