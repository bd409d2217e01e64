"""The model card of a version: what it learned from, how good it is, where it is not, how to make it again."""

import base64
import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from neural_hive_ml.clock import iso
from neural_hive_ml.evaluation.card_page import page
from neural_hive_ml.evaluation.cases import HoldoutCases
from neural_hive_ml.evaluation.figure import Figure
from neural_hive_ml.evaluation.plots import draw
from neural_hive_ml.evaluation.records import CASES_FILE, EVALUATION_FILE, cases_bytes, judgement_bytes
from neural_hive_ml.evaluation.verdict import Evaluation, Metric, Verdict
from neural_hive_ml.scoring.packed import PackedModel

CARD_MARKDOWN = "model_card.md"
CARD_HTML = "model_card.html"
_ENVIRONMENT = ("release", "python", "libraries", "environment")
_LINEAGE_SHOWN_ELSEWHERE = (*_ENVIRONMENT, "parameters", "reproduce")


class Judged(Protocol):
    """A candidate: `training.request.Candidate`, which lies in a layer above."""

    @property
    def model(self) -> PackedModel: ...
    @property
    def evaluation(self) -> Evaluation: ...
    @property
    def cases(self) -> HoldoutCases: ...
    @property
    def figures(self) -> Sequence[Figure]: ...


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the card; no rows means the section is left out."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A card before it is written as Markdown or HTML."""

    title: str
    summary: str
    tables: tuple[Table, ...]
    command: str


def card_files(candidate: Judged, verdict: Verdict) -> dict[str, bytes]:
    """Return the files that a version keeps: card (Markdown, HTML), plots, judgement, hold-out cases."""
    card = make_card(candidate.model, candidate.evaluation, verdict)
    plots = {f"plots/{slug(f.title)}.svg": draw(f, "svg") for f in candidate.figures}
    titles = [f.title for f in candidate.figures]
    files = {
        CARD_MARKDOWN: to_markdown(card, list(zip(titles, plots, strict=True))).encode(),
        CARD_HTML: to_html(card, list(zip(titles, plots.values(), strict=True))).encode(),
        EVALUATION_FILE: judgement_bytes(candidate.evaluation, verdict),
        CASES_FILE: cases_bytes(candidate.cases),
    }
    return {**files, **plots}


def make_card(model: PackedModel, evaluation: Evaluation, verdict: Verdict) -> Card:
    """Lay out the card's content. Pure; a figure that was not measured is not there."""
    horizon = "" if model.horizon_minutes is None else f", {model.horizon_minutes} minutes ahead"
    summary = (
        f"{model.algorithm} ({model.family}{horizon}), feature set {model.feature_set_version}. "
        f"The gate says {verdict.outcome}: {'; '.join(verdict.reasons) or 'no reason given'}."
    )
    return Card(
        title=model.name,
        summary=summary,
        tables=(
            _figures(evaluation),
            _floors(verdict),
            _slices(evaluation),
            _data(model),
            _pairs("Policy", model.policy),
            _features(model),
            _pairs("Parameters", model.lineage.get("parameters", {})),
            _limits(model, evaluation, verdict),
            _pairs("Environment", {k: model.lineage[k] for k in _ENVIRONMENT if k in model.lineage}),
        ),
        command=reproduce(model),
    )


def reproduce(model: PackedModel) -> str:
    """Return the command that trains this model again from the same tickets: its lineage's, or made from it.

    >>> from types import SimpleNamespace
    >>> reproduce(SimpleNamespace(family="load", algorithm="prophet", lineage={"as_of_ms": 0, "seed": 7}))
    'hive-ml train --model-type load --model-algorithm prophet --as-of 0 --seed 7'
    """
    stated = model.lineage.get("reproduce")
    if isinstance(stated, str) and stated:
        return stated
    options = {"as_of_ms": "--as-of", "window_days": "--training-window-days", "min_samples": "--min-samples",
               "seed": "--seed"}  # fmt: skip
    given = [f"{flag} {model.lineage[key]}" for key, flag in options.items() if model.lineage.get(key) is not None]
    return " ".join([f"hive-ml train --model-type {model.family} --model-algorithm {model.algorithm}", *given])


def figure_text(metric: Metric) -> str:
    """Write a metric's value with unit and 95 % interval, e.g. ``0.81 [0.78, 0.84]``."""
    interval = (
        "" if metric.low is None or metric.high is None else f" [{number(metric.low)}, {number(metric.high)}]"
    )
    return f"{number(metric.value)}{interval}{f' {metric.unit}' if metric.unit else ''}"


def number(value: float) -> str:
    """Write a figure with as many digits as are worth reading.

    >>> number(0.81234), number(12345.6), number(3), number(float("nan"))
    ('0.812', '12,346', '3', 'not defined')
    """
    if not math.isfinite(value):
        return "not defined"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3f}".rstrip("0").rstrip(".") if value != int(value) else f"{value:.0f}"


def slug(title: str) -> str:
    """Return a title as a file name.

    >>> slug("Forecast against actual (60 min)")
    'forecast-against-actual-60-min'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def to_markdown(card: Card, plots: Sequence[tuple[str, str]]) -> str:
    """Write the card as Markdown; `plots` are (title, relative path)."""
    lines = [f"# {card.title}", "", card.summary, ""]
    for table in card.tables:
        if table.rows:
            lines += [f"## {table.title}", ""]
            lines += [f"| {' | '.join(table.heads)} |", f"|{' --- |' * len(table.heads)}"]
            lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in table.rows]
            lines += ["", table.note, ""] if table.note else [""]
    if plots:
        lines += ["## Plots", ""] + [f"![{title}]({path})" for title, path in plots] + [""]
    lines += ["## How to make it again", "", "```", card.command, "```", ""]
    return "\n".join(lines)


def to_html(card: Card, drawings: Sequence[tuple[str, bytes]]) -> str:
    """Write the card as one HTML page that needs nothing else; `drawings` are (title, SVG)."""
    parts = [f"<h1>{html.escape(card.title)}</h1><p>{html.escape(card.summary)}</p>"]
    for table in card.tables:
        if table.rows:
            heads = "".join(f"<th>{html.escape(h)}</th>" for h in table.heads)
            rows = "".join(
                "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in table.rows
            )
            note = f"<p class=note>{html.escape(table.note)}</p>" if table.note else ""
            parts.append(f"<h2>{html.escape(table.title)}</h2><table><tr>{heads}</tr>{rows}</table>{note}")
    for title, svg in drawings:
        picture = base64.b64encode(svg).decode()
        parts.append(f'<img alt="{html.escape(title)}" src="data:image/svg+xml;base64,{picture}">')
    parts.append(f"<h2>How to make it again</h2><pre>{html.escape(card.command)}</pre>")
    return page(card.title, "\n".join(parts))


def _figures(evaluation: Evaluation) -> Table:
    rows = []
    for metric in evaluation.metrics:
        rivals = [b for b in evaluation.baselines if b.metric == metric.name]
        against = ", ".join(f"{b.name} {number(b.value)}" for b in rivals)
        name = f"{metric.name} (decides)" if metric.name == evaluation.primary else metric.name
        cases = f"{metric.n:,}" if metric.positives is None else f"{metric.n:,}, {metric.positives:,} anomalies"
        rows.append((name, figure_text(metric), against or "-", cases))
    note = (
        f"On the hold-out from {iso(evaluation.holdout_from_ms)} until {iso(evaluation.holdout_until_ms)}, "
        "after all tickets that were learned from; 95 % intervals."
    )
    return Table("Figures", ("metric", "value", "naive methods on the same cases", "cases"), tuple(rows), note)


def _floors(verdict: Verdict) -> Table:
    rows = tuple(
        (
            c.metric,
            number(c.value),
            f"{c.comparison} {number(c.floor)}",
            "passed" if c.passed else "missed",
            c.source,
        )
        for c in verdict.floors
    )
    return Table("Floors", ("metric", "value", "floor", "", "source"), rows, verdict.missing)


def _slices(evaluation: Evaluation) -> Table:
    rows = tuple((m.name, figure_text(m), f"{m.n:,}") for m in evaluation.slices)
    return Table("Slices", ("slice", "value", "cases"), rows)


def _data(model: PackedModel) -> Table:
    rows = [(k, v) for k, v in flatten(model.lineage) if k.split(".")[0] not in _LINEAGE_SHOWN_ELSEWHERE]
    rows.append(("made of synthetic tickets", "yes" if model.synthetic else "no"))
    return Table("Data", ("", ""), tuple(rows))


def _features(model: PackedModel) -> Table:
    names = [str(name) for name in model.documents.get("inputs", ())]
    rows = ((f"{len(names)} input columns", ", ".join(names)),) if names else ()
    return Table("Features", ("", ""), rows)


def _limits(model: PackedModel, evaluation: Evaluation, verdict: Verdict) -> Table:
    notes = list(evaluation.notes)
    if model.synthetic:
        notes.append("It learned from synthetic tickets: nothing here says how it does on real ones.")
    notes += [f"{c.metric} misses its floor ({c.source})." for c in verdict.floors if not c.passed]
    if verdict.missing:
        notes.append(f"Not enough evidence: {verdict.missing}")
    notes.append("It knows the tasks, owners and load of its data window; drift is measured against that window.")
    return Table("Limits", ("",), tuple((note,) for note in notes))


def _pairs(title: str, document: Any) -> Table:
    rows = tuple(flatten(document)) if isinstance(document, Mapping) else ()
    return Table(title, ("", ""), rows)


def flatten(document: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """List a document's leaves as (dotted path, text); times in milliseconds are written as instants too."""
    rows: list[tuple[str, str]] = []
    for key, value in document.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            rows += flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            rows.append((prefix + key, ", ".join(str(v) for v in value)))
        elif key.endswith(("_ms", "until", "from")) and isinstance(value, int) and value > 10**11:
            rows.append((prefix + key, f"{value} ({iso(value)})"))
        else:
            rows.append((prefix + key, number(value) if isinstance(value, float) else str(value)))
    return rows
