"""Bounds of a ticket document: what lies outside is refused, whoever sent it."""

from typing import Final

MAX_DOCUMENT_BYTES: Final = 2 * 2**20
MAX_ID_LENGTH: Final = 256
MAX_TEXT_LENGTH: Final = 65_536
MAX_MAP_ENTRIES: Final = 1_000
MAX_MAP_CHARACTERS: Final = 2**20
MAX_LIST_ENTRIES: Final = 1_000
# Plausible epoch milliseconds: 1980-01-01 to 2200-01-01. Seconds and microseconds fall outside.
EARLIEST_MS: Final = 315_532_800_000
LATEST_MS: Final = 7_258_118_400_000
MAX_DURATION_MS: Final = 10 * 366 * 86_400_000
MAX_RETRIES: Final = 1_000_000
