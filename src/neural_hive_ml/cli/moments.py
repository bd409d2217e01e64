"""Which moment a command looks from: `now`, `newest`, an instant, or `auto`."""

from neural_hive_ml.clock import DAY_MS, SystemClock, iso, parse_instant
from neural_hive_ml.errors import NotEnoughData, UsageError
from neural_hive_ml.settings import Settings
from neural_hive_ml.tickets.port import TicketStore

# An embedded store whose newest ticket is older than this holds an old log, not a stopped stream.
OLD_LOG_DAYS = 30


def resolve_as_of(text: str, tickets: TicketStore, settings: Settings) -> tuple[int, str]:
    """Return the moment in epoch milliseconds and a sentence that says which it is.

    ``auto`` is now, but for an embedded store that holds an old log it is the newest ticket, and says so.

    Raises
    ------
    UsageError
        When the text is no instant.
    NotEnoughData
        When ``newest`` is asked of an empty store.
    """
    now_ms = SystemClock().now_ms()
    if text == "now":
        return now_ms, f"as of now, {iso(now_ms)}"
    if text not in {"auto", "newest"}:
        try:
            at_ms = parse_instant(text)
        except ValueError:
            raise UsageError(
                f"--as-of {text!r} is not a moment",
                remedy="give now, newest, an ISO 8601 time or epoch milliseconds",
            ) from None
        return at_ms, f"as of {iso(at_ms)}"
    newest_ms = tickets.extent().newest_event_ms
    if newest_ms is None:
        if text == "auto":
            return now_ms, f"as of now, {iso(now_ms)}"
        raise NotEnoughData(
            f"{tickets.describe()} holds no ticket", have=0, need=1, remedy="hive-ml tickets import FILE"
        )
    age_days = (now_ms - newest_ms) / DAY_MS
    if text == "newest" or (settings.profile == "embedded" and age_days > OLD_LOG_DAYS):
        return newest_ms + 1, f"as of the newest ticket, {iso(newest_ms)} ({age_days:,.0f} days ago)"
    return now_ms, f"as of now, {iso(now_ms)}"
