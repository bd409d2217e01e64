"""A search small enough to run hundreds of times, and slow or failing where a test asks for it."""

from dataclasses import dataclass

from neural_hive_ml.training.search import Knob, Report, Search, Values

SPACE = (
    Knob("x", "float", -5.0, 5.0),
    Knob("rate", "float", 0.001, 1.0, log=True),
    Knob("depth", "int", 1, 9),
    Knob("loss", "choice", choices=("square", "absolute")),
)
DEFAULTS = {"x": 4.0, "rate": 0.5, "depth": 8, "loss": "absolute"}


@dataclass(frozen=True, slots=True)
class Bowl:
    """Least at x = 1, depth 4, square loss; falls towards its value over ten steps; refuses depth 9."""

    def __call__(self, values: Values, report: Report) -> float:
        x, depth = float(values["x"]), int(values["depth"])
        if depth == 9:
            raise ValueError("depth 9 is too deep")
        value = (x - 1.0) ** 2 + abs(depth - 4) + (0.5 if values["loss"] == "absolute" else 0.0) + 1.0
        for step in range(1, 11):
            if report(step, value + 10.0 / step):
                break
        return value


@dataclass(frozen=True, slots=True)
class Failing:
    """Never has a loss."""

    def __call__(self, values: Values, report: Report) -> float:
        raise RuntimeError("no such solver")


def bowl(key: str = "bowl") -> Search:
    return Search("scheduling-predictor-xgboost", SPACE, DEFAULTS, Bowl(), key)
