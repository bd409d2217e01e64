"""What the demo leaves for reading: one page with the plots, and the same table that the terminal shows."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neural_hive_ml.demo.burst import KINDS
from neural_hive_ml.demo.story import Story
from neural_hive_ml.evaluation.card import figure_text
from neural_hive_ml.evaluation.card_page import page
from neural_hive_ml.evaluation.figure import Figure
from neural_hive_ml.evaluation.floors import check_floors, demands
from neural_hive_ml.evaluation.plots import draw
from neural_hive_ml.evaluation.verdict import Evaluation
from neural_hive_ml.flow import ModelResult

HEADINGS = (
    "model",
    "metric",
    "value [95 %]",
    "floor, guide",
    "floor, relative",
    "best baseline",
    "verdict",
    "Production",
)
_MOST_FEATURES = 12
_ORIGIN = (
    "Flights out of New York in 2013 as execution tickets (CC0). The burst of anomalies is injected and labelled; "
    "the slow-down of the stream is made on purpose. Everything else is as it was."
)


def summary_rows(story: Story) -> list[tuple[str, ...]]:
    """Return a row for each floored metric of each model, under both floor profiles."""
    rows: list[tuple[str, ...]] = []
    for result in story.first:
        evaluation, verdict = result.evaluation, result.verdict
        if evaluation is None or verdict is None or result.version is None:
            rows.append((result.request.family, "-", "-", "-", "-", "-", result.status, "-"))
            continue
        name = evaluation.model_name
        both = {profile: _floors(result, evaluation, profile) for profile in ("guide", "relative")}
        metrics = list(dict.fromkeys([*both["guide"], *both["relative"]]))
        first, last = story.before.get(name, 0), story.after.get(name, 0)
        live = f"version {first}" if first == last else f"version {first}, then {last}"
        below = " (below its floor, allowed)" if verdict.below_floor and result.promoted else ""
        for n, metric in enumerate(metrics):
            rows.append((
                name if n == 0 else "", metric, figure_text(evaluation.metric(metric)),
                both["guide"].get(metric, "-"), both["relative"].get(metric, "-"), _baseline(evaluation, metric),
                f"{verdict.outcome}{below}" if n == 0 else "", live if n == 0 else "",
            ))  # fmt: skip
    return rows


def _floors(result: ModelResult, evaluation: Evaluation, profile: str) -> dict[str, str]:
    asked = demands(result.request.family, profile, result.request.horizon_minutes)
    return {
        check.metric: f"{check.comparison} {check.floor:,g} {'met' if check.passed else 'missed'}"
        for check in check_floors(evaluation, asked.floors)
    }


def _baseline(evaluation: Evaluation, metric: str) -> str:
    rivals = [b for b in evaluation.baselines if b.metric == metric]
    if not rivals:
        return "-"
    best = (max if evaluation.metric(metric).higher_is_better else min)(rivals, key=lambda b: b.value)
    return f"{best.value:,.3g} {best.name.replace('_', ' ')}"


def write_report(story: Story, file: Path, lines: Sequence[str]) -> None:
    """Write the page to `file`; `lines` is what the terminal showed."""
    fates = [f"{o.name} version {o.version}: {o.verdict}" for o in story.cycle.outcomes]
    retrained = "Retrained: " + (", ".join(fates) or "nothing")
    decision = story.cycle.decision
    checked = story.cycle.checked
    body = [
        "<h1>The loop, once around</h1>",
        f'<p class="note">{_ORIGIN}</p>',
        "<h2>Models</h2>",
        _table(HEADINGS, summary_rows(story)),
        "<h2>Detection</h2>",
        f"<p>{detection_line(story)}</p>",
        _table(("injected kind", "caught", "an explanation"), _kinds(story)),
        _picture(_scores(story)),
        *[_picture(f) for r in story.first if r.candidate for f in r.candidate.figures],
        "<h2>Drift</h2>",
        _table(
            ("model", "status", "score", "why"),
            [
                (c.name, c.report.status.value, f"{c.report.drift_score:.3f}", "; ".join(c.report.reasons[:4]))
                for c in checked
            ],
        ),
        *[_picture(f) for f in _drift(story)],
        "<h2>Retraining</h2>",
        f"<p>Decision: {html.escape(decision.action if decision else 'none')}. {html.escape(retrained)}.</p>",
        "<h2>What happened</h2>",
        f"<pre>{html.escape(chr(10).join(lines))}</pre>",
    ]
    file.write_text(page("Neural Hive-Mind ML Operations: demo", "\n".join(body)), encoding="utf-8")


def detection_line(story: Story) -> str:
    """Say how the burst went, in a sentence."""
    untouched = len(story.burst) - story.injected
    return (
        f"{story.caught} of {story.injected} injected anomalies caught, {story.false_alarms} of {untouched} "
        "untouched tickets of the same hours flagged"
    )


def _kinds(story: Story) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for kind in KINDS:
        mine = [answer for label, answer in story.burst if label.kind == kind]
        said = next((a["explanation"] for a in mine if a["is_anomaly"]), "-")
        rows.append((kind, f"{sum(a['is_anomaly'] for a in mine)} of {len(mine)}", said))
    return rows


def _scores(story: Story) -> Figure:
    def logs(answers: list[dict[str, float]]) -> np.ndarray:
        return np.log10(np.maximum([a["anomaly_score"] for a in answers], 1e-6))

    threshold = float(story.burst[0][1]["threshold"])
    untouched = [a for _, a in story.quiet] + [a for label, a in story.burst if not label.kind]
    series = {"as they came": logs(untouched), "injected": logs([a for label, a in story.burst if label.kind])}
    return Figure("Live scores and the threshold", "histogram", series, "log10 of the score", "density",
                  {"threshold": float(np.log10(threshold))})  # fmt: skip


def _drift(story: Story) -> list[Figure]:
    figures = []
    for checked in story.cycle.checked:
        ranked = sorted(checked.report.features, key=lambda f: -f.psi)[:_MOST_FEATURES]
        if len(ranked) > 2:
            series = {f.name: np.array([f.psi]) for f in ranked}
            figures.append(Figure(f"Drift by feature: {checked.name}", "ranking", series,
                                  "effect (bias-corrected PSI)"))  # fmt: skip
    return figures


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(h)}</th>" for h in headings)
    lines = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _picture(figure: Figure) -> str:
    data = base64.b64encode(draw(figure)).decode()
    return f'<img alt="{html.escape(figure.title)}" src="data:image/png;base64,{data}">'
