"""Can every setting be read as what it is, those too that no command has asked for yet?"""

from collections.abc import Iterator

from neural_hive_ml.conventions import EXIT_USAGE
from neural_hive_ml.diagnosis.check import Check
from neural_hive_ml.settings import Settings


def check_settings(settings: Settings) -> Iterator[Check]:
    """Yield a failure for each that cannot."""
    faults = settings.faults()
    for name, fault in faults.items():
        yield Check(f"setting {name}", "failed", fault.what, fault.remedy, EXIT_USAGE)
    if not faults:
        given = sum(not value.origin.startswith("default") for value in settings.values.values())
        yield Check("settings", "ok", f"{given} of {len(settings.values)} are set, all can be read")
