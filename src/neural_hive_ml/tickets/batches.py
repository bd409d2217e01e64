"""Batches in which each ticket occurs once: what every store writes, and what every summary counts."""

from collections.abc import Iterable, Iterator
from itertools import islice

from neural_hive_ml.tickets.ticket import Ticket


def batches(tickets: Iterable[Ticket], rows: int) -> Iterator[list[Ticket]]:
    """Yield tickets in order, in lists of at most `rows` without a repeated ticket_id.

    A ticket that occurs again goes to a later list, behind its earlier versions, so that writing list by list is
    the same as writing ticket by ticket.

    >>> from neural_hive_ml.tickets.sample import sample_tickets
    >>> first = next(sample_tickets())
    >>> [len(batch) for batch in batches([first, first], 10)]
    [1, 1]
    """
    iterator = iter(tickets)
    while batch := list(islice(iterator, rows)):
        while batch:
            first: dict[str, Ticket] = {}
            again: list[Ticket] = []
            for ticket in batch:
                if ticket.ticket_id in first:
                    again.append(ticket)
                else:
                    first[ticket.ticket_id] = ticket
            yield list(first.values())
            batch = again
