"""Puts the newest drift check of each served model into the log: the guide's `grep drift` looks for it here."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from neural_hive_ml.clock import iso
from neural_hive_ml.conventions import DRIFT_RECORDS
from neural_hive_ml.errors import HiveError
from neural_hive_ml.state.port import Record, StateStore

_log = structlog.get_logger("serving")


@dataclass(slots=True)
class DriftNotes:
    """See `service.Background`. A check is logged once; a model without one is told once as unknown, never as "no drift"."""

    open_state: Callable[[], StateStore]
    names: Callable[[], Sequence[str]]
    every_seconds: float = 60.0
    _told: dict[str, str | None] = field(default_factory=dict)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Look now and every minute; a store that does not answer is asked again."""
        state: StateStore | None = None
        try:
            while not self._stopping.is_set():
                try:
                    if state is None:
                        state = await asyncio.to_thread(self.open_state)
                    for name, record in (await asyncio.to_thread(self._newest, state)).items():
                        self._tell(name, record)
                except HiveError as error:
                    _log.warning("serving.drift_not_read", reason=str(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.every_seconds):
                        await self._stopping.wait()
        finally:
            if state is not None:
                state.close()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()

    def _newest(self, state: StateStore) -> dict[str, Record | None]:
        found = {
            name: state.find(DRIFT_RECORDS, where={"model_name": name}, newest_first=True, limit=1)
            for name in self.names()
        }
        return {name: records[0] if records else None for name, records in found.items()}

    def _tell(self, name: str, record: Record | None) -> None:
        key = None if record is None else record.key
        if name in self._told and self._told[name] == key:
            return
        self._told[name] = key
        if record is None:
            _log.info("serving.drift_unknown", model=name, remedy="hive-ml drift check")
            return
        detected = bool(record.document.get("drift_detected"))
        (_log.warning if detected else _log.info)(
            "serving.drift_checked",
            model=name,
            drift_detected=detected,
            drift_score=record.document.get("drift_score"),
            status=record.document.get("status"),
            checked_at=iso(record.at_ms),
        )
