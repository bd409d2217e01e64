"""Composition root of what stands before every service: keys, tokens, rates, times."""

from typing import TYPE_CHECKING

from neural_hive_ml.errors import UsageError
from neural_hive_ml.settings import Settings

if TYPE_CHECKING:
    from neural_hive_ml.serving.http.auth import Keyring
    from neural_hive_ml.serving.http.endpoint import Gate


def open_keyring(settings: Settings) -> "Keyring":
    """Return the API keys and the verifier of tokens that are configured."""
    from neural_hive_ml.serving.http.auth import Keyring
    from neural_hive_ml.serving.http.tokens import TokenVerifier

    tokens = TokenVerifier.from_text(
        settings.text("HIVE_JWT_SECRETS"),
        settings.text("HIVE_JWT_PUBLIC_KEYS"),
        settings.text("HIVE_JWT_ISSUER"),
        settings.text("HIVE_JWT_AUDIENCE"),
    )
    return Keyring.from_text(settings.text("HIVE_API_KEYS"), tokens)


def open_gate(settings: Settings) -> "Gate":
    """Return what a request passes before its handler.

    Raises
    ------
    UsageError
        For keys, a rate or a time that make no sense.
    """
    from neural_hive_ml.serving.http.endpoint import Gate
    from neural_hive_ml.serving.http.rate import RateLimit

    rate, seconds = settings.number("HIVE_RATE_LIMIT"), settings.number("HIVE_REQUEST_SECONDS")
    if rate < 0 or seconds <= 0:
        raise UsageError(
            f"HIVE_RATE_LIMIT={rate:g} and HIVE_REQUEST_SECONDS={seconds:g} are no limits",
            remedy="set a rate from 0 (none) on, and a time above 0",
        )
    return Gate(
        open_keyring(settings),
        RateLimit(rate) if rate else None,
        seconds,
        operations_apart=settings.integer("HIVE_METRICS_PORT") > 0,
    )
