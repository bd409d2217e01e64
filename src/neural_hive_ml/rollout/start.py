"""Which way a winner of the gate goes live: at once, or through a shadow run. Pure."""

from typing import Final, Literal, get_args

from neural_hive_ml.conventions import AUTOMATION
from neural_hive_ml.registry.alias_record import AliasRecord

Mode = Literal["direct", "shadow", "auto"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
Way = Literal["direct", "shadow", "held"]


def way(mode: Mode, record: AliasRecord, *, answering: bool, held: str = "") -> tuple[Way, str]:
    """Return how a winner goes live, and why.

    `answering`: services have answered with this model of late, so that a shadow run would see traffic. `held`: why no
    winner may go live now. ``held`` leaves the winner registered only: a person's challenger is in shadow, and is not put
    aside; or promotions rest.
    """
    taken, why = _way(mode, record, answering)
    return ("held", held) if held and taken == "direct" else (taken, why)


def _way(mode: Mode, record: AliasRecord, answering: bool) -> tuple[Way, str]:
    if mode == "direct":
        return "direct", "winners go live at once (direct)"
    if record.champion is None:
        return "direct", "there is no champion to compare with"
    if record.challenger is not None and (record.challenged is None or record.challenged.actor not in AUTOMATION):
        return "held", f"version {record.challenger} runs in shadow at a person's request"
    if record.pin is not None:
        return "shadow", f"pinned to version {record.pin.version} by {record.pin.actor}"
    if mode == "shadow" or answering:
        return "shadow", "services answer with this model" if answering else "winners run in shadow first (shadow)"
    return "direct", "no service has answered with this model of late: a shadow run would see nothing"
