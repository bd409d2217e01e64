"""Composition root of what stands around every service: keys, tokens, rates, times, where its spans go."""

from typing import TYPE_CHECKING

from neural_hive_ml.errors import UsageError
from neural_hive_ml.settings import Settings

if TYPE_CHECKING:
    from neural_hive_ml.observability.tracing import Spans
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


def open_spans(settings: Settings, service: str) -> "Spans | None":
    """Return where a service's spans go: the collector of OTEL_EXPORTER_OTLP_ENDPOINT, None where that is empty.

    Raises
    ------
    UsageError
        For an address that is none, or when the `otel` extra is not installed.
    """
    endpoint = settings.text("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not endpoint:
        return None
    if not endpoint.startswith(("http://", "https://")):
        raise UsageError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT={endpoint} is no HTTP address", remedy="set it as http://collector:4318"
        )
    try:
        from neural_hive_ml.observability.otlp import OtlpSpans
    except ImportError as error:
        raise UsageError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: {error}",
            remedy="pip install 'neural-hive-ml[otel]', or unset the variable",
        ) from error
    return OtlpSpans.to(service, endpoint)


def open_gate(settings: Settings, service: str) -> "Gate":
    """Return what a request to a service passes before its handler.

    Raises
    ------
    UsageError
        For keys, a rate or a time that make no sense, and as `open_spans`.
    """
    from neural_hive_ml.serving.http.endpoint import Gate
    from neural_hive_ml.serving.http.rate import RateLimit

    rate, seconds = settings.number("HIVE_RATE_LIMIT"), settings.number("HIVE_REQUEST_SECONDS")
    return Gate(
        open_keyring(settings),
        RateLimit(rate) if rate else None,
        seconds,
        operations_apart=settings.integer("HIVE_METRICS_PORT") > 0,
        spans=open_spans(settings, service),
    )
