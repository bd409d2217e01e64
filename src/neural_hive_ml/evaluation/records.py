"""Evaluation, verdict and hold-out cases as bytes: what a version keeps, so that it can be compared later."""

import io
import math
from typing import Any, cast

import msgspec
import numpy as np

from neural_hive_ml.conventions import Family
from neural_hive_ml.evaluation.cases import HoldoutCases
from neural_hive_ml.evaluation.verdict import Evaluation, Verdict

EVALUATION_FILE = "evaluation.json"
CASES_FILE = "holdout_cases.npz"


class Judgement(msgspec.Struct, frozen=True):
    """What was measured about a version, and what the gate said."""

    evaluation: Evaluation
    verdict: Verdict


def judgement_bytes(evaluation: Evaluation, verdict: Verdict) -> bytes:
    """Write the judgement as JSON; a figure that is not finite becomes null."""
    return msgspec.json.format(msgspec.json.encode(Judgement(evaluation, verdict), order="sorted"), indent=1)


def read_judgement(content: bytes) -> Judgement:
    """Read a judgement back. Raises `msgspec.DecodeError` (of which `ValidationError` is one) when it is none."""
    return msgspec.convert(_with_nan(msgspec.json.decode(content)), Judgement)


def _with_nan(document: Any) -> Any:
    """Put NaN back where JSON could only say null: a figure that exists but has no finite value."""
    if isinstance(document, dict):
        return {k: math.nan if k == "value" and v is None else _with_nan(v) for k, v in document.items()}
    return [_with_nan(item) for item in document] if isinstance(document, list) else document


def cases_bytes(cases: HoldoutCases) -> bytes:
    """Write hold-out cases as compressed .npz without pickle; equal cases give equal bytes."""
    arrays = {"truth": cases.truth, "predicted": cases.predicted, "block": cases.block}
    if cases.score is not None:
        arrays["score"] = cases.score
    texts = {"kind": np.array(cases.kind), "digest": np.array(cases.digest)}
    if cases.slice_of is not None:
        texts["slice_of"] = np.array([str(name) for name in cases.slice_of], dtype=np.str_)
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays, **texts)
    return out.getvalue()


def read_cases(content: bytes) -> HoldoutCases:
    """Read hold-out cases back. Raises ValueError or KeyError when they are none."""
    with np.load(io.BytesIO(content), allow_pickle=False) as held:
        return HoldoutCases(
            kind=cast("Family", str(held["kind"])),
            digest=str(held["digest"]),
            truth=held["truth"],
            predicted=held["predicted"],
            block=held["block"],
            score=held.get("score"),
            slice_of=held["slice_of"].astype(np.object_) if "slice_of" in held else None,
        )
