"""Draw a `Figure` as PNG or SVG with matplotlib; the same figure gives the same bytes."""

import io
from typing import TYPE_CHECKING, Literal

import numpy as np

from neural_hive_ml.evaluation.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Format = Literal["png", "svg"]
# Okabe-Ito: told apart by people who do not see all colours.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
_BAND = ("lower", "upper")
_MOST_POINTS = 4000
_BINS = 60


def draw(figure: Figure, image: Format = "png") -> bytes:
    """Return the picture of a figure. Takes 50 to 200 ms, the first time about a second (matplotlib)."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    # Fixed ids and no date inside, so that equal figures are equal files.
    with mpl.rc_context({"svg.hashsalt": "neural-hive-ml", "svg.fonttype": "none", "font.size": 9}):
        canvas = Canvas(figsize=(7.2, 3.6), dpi=110)
        axes = canvas.add_axes((0.09, 0.15, 0.88, 0.74))
        axes.set_prop_cycle(color=_COLOURS)
        _DRAWERS[figure.kind](axes, figure)
        axes.set_title(figure.title, loc="left")
        axes.set_xlabel(figure.x_label)
        axes.set_ylabel(figure.y_label)
        axes.grid(visible=True, alpha=0.25)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        _marks(axes, figure)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(frameon=False, fontsize=8)
        out = io.BytesIO()
        canvas.savefig(out, format=image, metadata={"Date": None} if image == "svg" else {"Software": None})
    return out.getvalue()


def _line(axes: "Axes", figure: Figure) -> None:
    x = figure.series.get("x")
    if all(name in figure.series for name in _BAND):
        low, high = (figure.series[name] for name in _BAND)
        axes.fill_between(
            np.arange(len(low)) if x is None else x,
            low,
            high,
            alpha=0.2,
            color=_COLOURS[0],
            lw=0,
            label="interval",
        )
    for name, values in figure.series.items():
        if name not in {"x", *_BAND}:
            axes.plot(np.arange(len(values)) if x is None else x, values, lw=1.2, label=name)


def _histogram(axes: "Axes", figure: Figure) -> None:
    finite = {name: values[np.isfinite(values)] for name, values in figure.series.items()}
    everything = np.concatenate([np.empty(0), *finite.values()])
    if not len(everything):
        return
    bins = np.histogram_bin_edges(everything, bins=_BINS)
    for name, values in finite.items():
        density = np.histogram(values, bins=bins, density=True)[0] if len(values) else np.zeros(len(bins) - 1)
        axes.stairs(density, bins, fill=True, alpha=0.55, label=f"{name} ({len(values):,})")


def _scatter(axes: "Axes", figure: Figure) -> None:
    x, y = list(figure.series.values())[:2]
    step = max(1, -(-len(x) // _MOST_POINTS))
    axes.scatter(x[::step], y[::step], s=6, alpha=0.35, lw=0, rasterized=True)
    finite = np.isfinite(x) & np.isfinite(y)
    if finite.any():
        low, high = float(min(x[finite].min(), y[finite].min())), float(max(x[finite].max(), y[finite].max()))
        axes.plot([low, high], [low, high], color="#888888", lw=0.8, ls="--", label="equal")
        if low > 0 and high > 100 * low:
            axes.set_xscale("log")
            axes.set_yscale("log")


def _bars(axes: "Axes", figure: Figure) -> None:
    groups = {name: values for name, values in figure.series.items() if name != "x"}
    width = 0.8 / max(1, len(groups))
    for place, (name, values) in enumerate(groups.items()):
        x = figure.series.get("x")
        centres = (np.arange(len(values)) if x is None else x) + (place - (len(groups) - 1) / 2) * width
        axes.bar(centres, values, width=width, label=name)


def _ranking(axes: "Axes", figure: Figure) -> None:
    names = list(figure.series)
    axes.barh(names[::-1], [float(figure.series[name][0]) for name in names[::-1]], height=0.7)
    axes.set_position((0.28, 0.15, 0.69, 0.74))


def _marks(axes: "Axes", figure: Figure) -> None:
    for name, value in figure.marks.items():
        draw_mark = axes.axhline if figure.kind == "line" else axes.axvline
        draw_mark(value, color="#444444", lw=1, ls=":", label=f"{name} = {value:.4g}")


_DRAWERS = {"line": _line, "histogram": _histogram, "scatter": _scatter, "bars": _bars, "ranking": _ranking}
