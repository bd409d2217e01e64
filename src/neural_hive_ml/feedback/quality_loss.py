"""Is live quality lost: is the whole interval beyond what was promised when the version was promoted. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from neural_hive_ml.conventions import Family
from neural_hive_ml.feedback.live import LiveFigure

# An error may be this much greater than on the hold-out before it counts as lost.
TOLERANCE: Final = 1.25
# family -> (live figure that decides, evaluation metric that promised it)
_DECIDES: Final[dict[Family, tuple[str, str]]] = {
    "anomaly": ("f1", "f1"), "scheduling": ("mae_ms", "mae"), "load": ("mase", "mase"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Loss:
    """`lost` None: unknown. `value` is that of the deciding `metric`, `objective` what its interval must reach."""

    lost: bool | None
    metric: str
    value: float | None
    objective: float | None
    reason: str


def loss_of(
    family: Family, figures: Sequence[LiveFigure], promised: Mapping[str, float], f1_objective: float
) -> Loss:
    """Judge one version's live figures against what its evaluation `promised` (metric name -> value).

    A detector must reach the smaller of the objective and its promise: one that never reached the objective did not
    lose it, and training again would not cure that. Errors may be a quarter above the promise; a load forecast must
    only be better than last week's curve (MASE 1) where more was not promised.
    """
    metric, promise = _DECIDES[family]
    figure = next((f for f in figures if f.name == metric), None)
    given = promised.get(promise)
    if family == "anomaly":
        objective: float | None = f1_objective if given is None else min(f1_objective, given)
    elif family == "load":
        objective = max(1.0, TOLERANCE * given) if given is not None else 1.0
    else:
        objective = None if given is None else TOLERANCE * given
    value = None if figure is None else figure.value
    if figure is None or figure.value is None:
        return Loss(None, metric, None, objective, figure.reason if figure else f"{metric} is not measured")
    if objective is None:
        return Loss(None, metric, value, None, "the version's evaluation does not say what to expect")
    edge = figure.high if family == "anomaly" else figure.low
    if edge is None:
        return Loss(None, metric, value, objective, f"no interval of {metric} is defined yet")
    lost = edge < objective if family == "anomaly" else edge > objective
    side = "below" if family == "anomaly" else "above"
    said = f"{metric} {figure.value:.4g} [{figure.low:.4g}, {figure.high:.4g}], objective {objective:.4g}"
    return Loss(lost, metric, value, objective, f"{said}: {f'wholly {side} it' if lost else 'kept'}")
