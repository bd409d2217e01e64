"""What every packed model can do once loaded, whatever its family."""

from typing import Protocol

import numpy as np
import numpy.typing as npt


class Scorer(Protocol):
    """A loaded model. `reproduce` maps golden rows [g, d] to [g] or [g, k], as stored in the artifact."""

    def reproduce(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Score rows exactly as serving does."""
        ...
