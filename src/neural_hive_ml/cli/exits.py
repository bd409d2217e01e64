"""Exit codes of expected errors: every code means what docs/cli.md says."""

from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_NOT_ENOUGH_DATA, EXIT_UNREACHABLE, EXIT_USAGE
from neural_hive_ml.errors import HiveError, NotEnoughData, RegistryUnavailable, StoreUnavailable, UsageError


def exit_code_of(error: BaseException) -> int | None:
    """Return the exit code of an expected error, None for one that is a bug and should be seen whole."""
    match error:
        case UsageError():
            return EXIT_USAGE
        case NotEnoughData():
            return EXIT_NOT_ENOUGH_DATA
        case StoreUnavailable() | RegistryUnavailable():
            return EXIT_UNREACHABLE
        case HiveError():
            return EXIT_FAILURE
        case _:
            return None
