"""All checks of what is configured, in the order in which data flows."""

from collections.abc import Callable, Iterator
from typing import Final

from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_UNREACHABLE
from neural_hive_ml.diagnosis.check import Check
from neural_hive_ml.diagnosis.clickhouse import check_clickhouse
from neural_hive_ml.diagnosis.folder import check_folder
from neural_hive_ml.diagnosis.ledger import check_ledger
from neural_hive_ml.diagnosis.mongo import check_mongo
from neural_hive_ml.diagnosis.redis import check_redis
from neural_hive_ml.diagnosis.registry import check_registry
from neural_hive_ml.diagnosis.retention import check_retention
from neural_hive_ml.diagnosis.samples import check_samples
from neural_hive_ml.diagnosis.settings import check_settings
from neural_hive_ml.diagnosis.signatures import check_signatures
from neural_hive_ml.diagnosis.state import check_state
from neural_hive_ml.diagnosis.streams import check_streams
from neural_hive_ml.diagnosis.tickets import check_tickets
from neural_hive_ml.errors import HiveError, RegistryUnavailable, StoreUnavailable
from neural_hive_ml.settings import Settings

Group = Callable[[Settings], Iterator[Check]]
_TRAINING: Final[tuple[tuple[str, Group], ...]] = (
    ("settings", check_settings),
    ("data folder", check_folder),
    ("mongodb", check_mongo),
    ("tickets", check_tickets),
    ("samples", check_samples),
    ("clickhouse", check_clickhouse),
    ("state", check_state),
    ("registry", check_registry),
)
# What only matters once models serve.
_SERVING: Final[tuple[tuple[str, Group], ...]] = (
    ("retention", check_retention),
    ("ledger", check_ledger),
    ("redis", check_redis),
    ("streams", check_streams),
    ("signatures", check_signatures),
)


def examine(settings: Settings, purpose: str = "all") -> Iterator[Check]:
    """Yield the checks of every configured service; `purpose` ``training`` leaves out what matters once models serve."""
    for name, group in _TRAINING + (_SERVING if purpose == "all" else ()):
        try:
            yield from group(settings)
        except (StoreUnavailable, RegistryUnavailable) as error:
            yield Check(name, "failed", error.what, error.remedy, EXIT_UNREACHABLE)
        except HiveError as error:
            yield Check(name, "failed", error.what, error.remedy, EXIT_FAILURE)
