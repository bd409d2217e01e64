"""A model as one artifact, in memory: what serves, what ties it to its source, what it was judged by.

Directory form and signature are `registry.files`; the format version and the procedure for changing
it are documented there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.conventions import Family

FORMAT_VERSION = 1

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class GoldenRows:
    """Input rows and the scores that serving must reproduce before a model becomes ready.

    `rows` is [g, d] float64; `expected` is [g] or [g, k] float64; `tolerance` is absolute.
    """

    rows: npt.NDArray[np.float64]
    expected: npt.NDArray[np.float64]
    tolerance: float = 1e-12


@dataclass(frozen=True, slots=True)
class PackedModel:
    """One artifact. No pickle anywhere: arrays are .npy, documents are JSON, provenance is bytes.

    `arrays` and `documents` are what `scoring` loads; `statistics` is the snapshot of feature
    statistics as of the end of training; `profile` the drift reference; `provenance` the library's own
    model in a pickle-free format (file name -> bytes); `policy` the threshold and calibration, which is
    policy and may change without a new model; `lineage` data window, digest, seed, environment.
    """

    name: str
    family: Family
    algorithm: str
    feature_set_version: str
    arrays: Arrays
    documents: Mapping[str, Any]
    policy: Mapping[str, Any]
    golden: GoldenRows
    lineage: Mapping[str, Any]
    statistics: Arrays = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, bytes] = field(default_factory=dict)
    horizon_minutes: int | None = None
    synthetic: bool = False
