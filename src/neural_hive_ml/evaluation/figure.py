"""The data of one plot: what a card or a report draws, kept apart from how it is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

PlotKind = Literal["line", "histogram", "scatter", "bars", "ranking"]


@dataclass(frozen=True, slots=True)
class Figure:
    """Data of one plot of the model card and the demo report; drawn by `evaluation.plots`.

    `series` by kind: ``line`` and ``bars`` name -> [n] values, drawn over the series ``x`` where there is one (else
    0..n-1); two series ``lower`` and ``upper`` are drawn as a band. ``histogram`` name -> [n] observations.
    ``ranking`` name -> [1] value, one horizontal bar each, first on top. ``scatter`` takes its first two series as
    x and y. `marks` are vertical lines (horizontal ones where the kind is ``line``), e.g. a threshold.
    """

    title: str
    kind: PlotKind
    series: Mapping[str, npt.NDArray[np.float64]]
    x_label: str = ""
    y_label: str = ""
    marks: Mapping[str, float] = field(default_factory=dict)
