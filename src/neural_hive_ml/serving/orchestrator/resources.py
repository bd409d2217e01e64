"""What a ticket will need besides time: the platform's formula. Tickets carry no measured use, so nothing was learned."""

from dataclasses import dataclass
from typing import Final

from neural_hive_ml.tickets.ticket import RISK_BANDS, Ticket

# Compatibility facts, 5.2 (predict_resources); a risk band stands for the middle of its weights 0-100 (4.1).
_LEAST_CORES, _CORES_EACH, _MOST_CORES = 0.5, 0.1, 4.0
_BASE_MB, _SHARE_OF_MINUTES, _MOST_MINUTES, _SHARE_OF_RISK = 256.0, 0.2, 5.0, 0.5
_MINUTE_MS: Final = 60_000.0
_BAND_WIDTH: Final = 25.0


@dataclass(frozen=True, slots=True)
class Resources:
    """CPU cores and memory in MB."""

    cpu_cores: float
    memory_mb: float


def resources_of(ticket: Ticket, duration_ms: float | None) -> Resources:
    """Return what the platform's formula gives; an unknown run time counts as none."""
    risk = (RISK_BANDS.index(ticket.risk_band) + 0.5) * _BAND_WIDTH
    minutes = min((duration_ms or 0.0) / _MINUTE_MS, _MOST_MINUTES)
    return Resources(
        cpu_cores=min(_LEAST_CORES + _CORES_EACH * len(ticket.required_capabilities), _MOST_CORES),
        memory_mb=_BASE_MB * (1 + _SHARE_OF_MINUTES * minutes + _SHARE_OF_RISK * risk / 100),
    )
