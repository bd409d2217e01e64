"""How we connect to Redis: bounded waits, and none of the driver's own retries."""

from typing import Any

from neural_hive_ml.addresses import unquoted
from neural_hive_ml.errors import UsageError


def redis_client(url: str, seconds: float, *, awaited: bool = False) -> Any:
    """Return a client that waits at most `seconds` for each answer; of asyncio where `awaited`. Connects when first asked.

    Raises
    ------
    UsageError
        When the URL is none.
    """
    import redis
    import redis.asyncio
    from redis.asyncio.retry import Retry as AwaitedRetry
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    kind: Any = redis.asyncio.Redis if awaited else redis.Redis
    try:
        return kind.from_url(
            url,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            # The driver's own retries would multiply the wait: who asks knows when to ask again.
            retry=(AwaitedRetry if awaited else Retry)(NoBackoff(), 0),
            client_name="neural-hive-ml",
        )
    except ValueError as error:
        raise UsageError(
            f"REDIS_URL is no Redis URL: {unquoted(error)}",
            remedy="redis://:password@host:6379/0, the password's special signs escaped (%2F for /)",
        ) from None
