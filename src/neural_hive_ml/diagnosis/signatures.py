"""Are artifacts' signatures checked, by keys that are keys?"""

from collections.abc import Iterator

from neural_hive_ml.bootstrap import verify_keys
from neural_hive_ml.diagnosis.check import Check
from neural_hive_ml.settings import Settings


def check_signatures(settings: Settings) -> Iterator[Check]:
    """Yield how many keys artifacts may be signed with."""
    keys = verify_keys(settings)
    if not keys:
        yield Check("signatures", "not_configured", "artifacts are checked by digest only; set HIVE_VERIFY_KEYS")
        return
    yield Check("signatures", "ok", f"{len(keys)} valid keys")
