"""Feature rows that a caller built itself, by the Open Inference Protocol (V2): what KServe and MLServer clients speak.

https://github.com/kserve/open-inference-protocol: one input tensor of rows, output tensors by name.
"""

from dataclasses import dataclass
from time import perf_counter
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from starlette.requests import Request
from starlette.responses import Response

from neural_hive_ml.features.spec import COLUMN_COUNT
from neural_hive_ml.observability.metrics import GuardAgentsMetrics
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.serving.http.answers import json_answer
from neural_hive_ml.serving.http.body import MAX_BATCH_BYTES, MAX_BATCH_TICKETS, read_body
from neural_hive_ml.serving.http.endpoint import Endpoint, Example, Parameter
from neural_hive_ml.serving.http.problem import Problem
from neural_hive_ml.serving.slot import LoadedModel, ModelSlot

ROUTE: Final = "rows_score"
Size = Annotated[int, msgspec.Meta(ge=1, le=MAX_BATCH_TICKETS * COLUMN_COUNT)]
Numbers = list[float | list[float]]


class Input(msgspec.Struct, frozen=True):
    """Rows: `shape` is [n, columns of the feature set], `data` flat or row by row, NaN nowhere."""

    name: str
    shape: Annotated[list[Size], msgspec.Meta(min_length=2, max_length=2)]
    datatype: Literal["FP32", "FP64"]
    data: Numbers


class InferenceRequest(msgspec.Struct, frozen=True):
    """One tensor of feature rows, in the order of docs/features.md."""

    inputs: Annotated[list[Input], msgspec.Meta(min_length=1, max_length=1)]
    id: str = ""


class Output(msgspec.Struct, frozen=True):
    """One number a row."""

    name: str
    shape: list[int]
    datatype: Literal["FP64", "BOOL"]
    data: list[float | bool]


class InferenceAnswer(msgspec.Struct, frozen=True):
    """`anomaly_score` in [0, 1] and `is_anomaly` of each row, and the version that said so."""

    model_name: str
    model_version: str
    outputs: list[Output]
    id: str = ""


MODEL: Final = Parameter(
    "model", str, "the registered model that serves", "anomaly-detector-isolation_forest", "path"
)
EXAMPLE: Final = Example(
    {"inputs": [{"name": "rows", "shape": [1, COLUMN_COUNT], "datatype": "FP64", "data": [[0.0] * COLUMN_COUNT]}]},
    {
        "model_name": "anomaly-detector-isolation_forest",
        "model_version": "7",
        "outputs": [
            {"name": "anomaly_score", "shape": [1], "datatype": "FP64", "data": [0.02]},
            {"name": "is_anomaly", "shape": [1], "datatype": "BOOL", "data": [False]},
        ],
        "id": "",
    },
)
_decoder = msgspec.json.Decoder(InferenceRequest)


@dataclass(frozen=True, slots=True)
class InferenceDesk:
    """The handler of rows."""

    slot: ModelSlot
    metrics: GuardAgentsMetrics

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the route."""
        return (
            Endpoint(
                "/v2/models/{model}/infer", self.infer, InferenceAnswer, "POST", "score", ROUTE, InferenceRequest,
                (MODEL,), EXAMPLE,
            ),
        )  # fmt: skip

    async def infer(self, request: Request) -> Response:
        """Score feature rows that the caller built, by the Open Inference Protocol.

        Rows have no ticket: they are counted in the metrics and not kept for feedback.
        """
        loaded = self._serving(str(request.path_params["model"]))
        sent = _decoded(await read_body(request, MAX_BATCH_BYTES))
        rows = _rows(sent.inputs[0])
        began = perf_counter()
        scorer = loaded.artifact.scorer
        assert isinstance(scorer, AnomalyScorer)
        scores = scorer.score(rows)
        flagged = scores >= scorer.limits(rows)
        each_s = (perf_counter() - began) / len(rows)
        kind = loaded.artifact.model.algorithm
        for score, anomalous in zip(scores.tolist(), flagged.tolist(), strict=True):
            self.metrics.detections.inc(kind, "true" if anomalous else "false")
            self.metrics.detection_seconds.observe(each_s, kind)
            self.metrics.anomaly_score.observe(score, kind)
        outputs = [
            Output("anomaly_score", [len(rows)], "FP64", scores.tolist()),
            Output("is_anomaly", [len(rows)], "BOOL", flagged.tolist()),
        ]
        published = loaded.published
        return json_answer(InferenceAnswer(published.name, str(published.version), outputs, sent.id))

    def _serving(self, name: str) -> LoadedModel:
        loaded = self.slot.current
        if loaded is None or name != self.slot.name:
            raise Problem(
                404,
                "No such model serves",
                f"this service serves {self.slot.name}" if loaded else f"{self.slot.name} has no model yet",
                remedy=f"POST /v2/models/{self.slot.name}/infer"
                if loaded
                else f"hive-ml models show {self.slot.name}",
            )
        return loaded


def _decoded(body: bytes) -> InferenceRequest:
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(
            422, "Not an inference request", str(error), remedy="send inputs as /openapi.json shows"
        ) from error


def _rows(given: Input) -> npt.NDArray[np.float64]:
    """Return the rows [n, COLUMN_COUNT]. Raises `Problem` 422."""
    n, columns = given.shape
    if columns != COLUMN_COUNT:
        raise _wrong(f"a row has {columns} columns, this feature set has {COLUMN_COUNT}")
    if n > MAX_BATCH_TICKETS:
        raise _wrong(f"{n} rows, at most {MAX_BATCH_TICKETS} are taken")
    try:
        rows = np.array(given.data, dtype=np.float64).reshape(n, columns)
    except (ValueError, TypeError, OverflowError):
        raise _wrong(f"data does not have the shape [{n}, {columns}]") from None
    if not np.isfinite(rows).all():
        raise _wrong("a value is not finite")
    return rows


def _wrong(what: str) -> Problem:
    return Problem(
        422,
        "Not rows of this feature set",
        what,
        field="inputs[0]",
        remedy="send rows in the order of docs/features.md",
    )
