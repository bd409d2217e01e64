"""Finish moves of aliases that a death interrupted, model by model."""

from collections.abc import Callable, Sequence

from neural_hive_ml.conventions import MODELS
from neural_hive_ml.errors import Conflict
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.port import Registry
from neural_hive_ml.registry.promotion import reconcile
from neural_hive_ml.rollout.announce import noting


def mend(
    registry: Registry,
    ledger: Ledger,
    *,
    at_ms: int,
    progress: Callable[[str], None],
    names: Sequence[str] = MODELS,
) -> None:
    """Finish each model's interrupted move, in the ledger's store; what another process is moving is its own.

    Raises
    ------
    StoreUnavailable, RegistryUnavailable
        When one does not answer.
    """
    for name in names:
        try:
            mended = reconcile(registry, ledger.state, (name,), at_ms=at_ms, note=noting(ledger))
        except Conflict as error:
            progress(f"{name}: left to who is moving it: {error}")
            continue
        for move in mended:
            progress(f"{move.name}: an interrupted move was finished: {move.reason}")
