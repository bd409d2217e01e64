"""What people settled, as training takes it. Pure."""

from collections.abc import Callable, Iterable

from neural_hive_ml.feedback.verdict import Verdict, by_ticket, resolve
from neural_hive_ml.training.labels import TicketLabel

_LABELS = {"anomaly": True, "normal": False}


def settled(verdicts: Iterable[Verdict]) -> tuple[TicketLabel, ...]:
    """Return what was settled about each ticket, and when it changed, by ticket id and moment.

    A label is what the verdicts up to its moment resolve to; None again where a later one brought doubt. So a verdict
    changes nothing about what was known before it. O(verdicts of a ticket, squared).

    >>> settled([Verdict("1", 10, "t", "anomaly", "ana"), Verdict("2", 20, "t", "normal", "rui")])
    (TicketLabel(ticket_id='t', anomaly=True, at_ms=10), TicketLabel(ticket_id='t', anomaly=None, at_ms=20))
    """
    out = []
    for ticket_id, group in sorted(by_ticket(verdicts).items()):
        held: bool | None = None
        for at_ms in sorted({one.at_ms for one in group}):
            found = resolve(one for one in group if one.at_ms <= at_ms)
            label = None if found is None else _LABELS.get(found.label)
            if label is not held:
                out.append(TicketLabel(ticket_id, label, at_ms))
                held = label
    return tuple(out)


def judged_tickets(verdicts: Iterable[Verdict], known: Callable[[str], bool]) -> int:
    """Return on how many tickets somebody was sure, each counted once.

    A ticket counts where a prediction about it is on record, or where `known` says that there is one: an id that a caller
    made up is no label.

    >>> said = [Verdict("1", 10, "t", "anomaly", "ana"), Verdict("2", 20, "t", "normal", "rui")]
    >>> judged_tickets([*said, Verdict("3", 30, "made up", "normal", "rui")], known=lambda ticket: ticket == "t")
    1
    """
    sure: dict[str, bool] = {}
    for one in verdicts:
        if one.verdict != "unsure":
            sure[one.ticket_id] = sure.get(one.ticket_id, False) or bool(one.prediction_id)
    return sum(predicted or known(ticket_id) for ticket_id, predicted in sure.items())
