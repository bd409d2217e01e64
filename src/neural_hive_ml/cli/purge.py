"""`hive-ml data purge`: a person's data removed from every store, round after round until one finds nothing."""

import getpass
import json
import time
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from typing import Final

import click

from neural_hive_ml.bootstrap import describe, open_clickhouse, open_ledger, open_state, open_tickets
from neural_hive_ml.cli.streams import erased_from_streams
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_OK, EXIT_UNREACHABLE
from neural_hive_ml.errors import StoreUnavailable
from neural_hive_ml.ledger.event import personal
from neural_hive_ml.read_side import SYNC_LEASE
from neural_hive_ml.retraining.lease import sole_run
from neural_hive_ml.settings import Settings, load_settings
from neural_hive_ml.state.port import StateStore
from neural_hive_ml.tickets.clickhouse import ClickHouseTicketStore
from neural_hive_ml.tickets.port import TicketStore
from neural_hive_ml.upkeep.erased import remember
from neural_hive_ml.upkeep.erasure import Erased, erase, erase_copy, find_person
from neural_hive_ml.upkeep.person import Person
from neural_hive_ml.upkeep.traces import traces_of

_ROUNDS: Final = 5
_KAFKA: Final = (
    "the broker cannot delete single messages (next: shorten the topic's retention.ms until they are gone)"
)
_COMES_IN: Final = "records still come in (next: stop what sends this owner's tickets, then run it again)"


@dataclass(slots=True)
class _Purge:
    """What the rounds have done so far. `copy_error` says why ClickHouse could not be asked."""

    settings: Settings
    tickets: TicketStore
    state: StateStore
    copy: ClickHouseTicketStore | None
    person: Person
    done: Erased = field(default_factory=Erased)
    streams: dict[str, int | None] = field(default_factory=dict)
    copied: int = 0
    copy_error: str = ""
    settled: bool = False

    def round(self, *, dry_run: bool) -> int:
        """Erase once, everywhere; return how much there was."""
        self._look_again()
        gone = 0
        if not dry_run:
            remember(self.state, self.person, SystemClock().now_ms())
            # First what would bring the rest back.
            for name, count in erased_from_streams(self.settings, self.person).items():
                before = self.streams.get(name)
                self.streams[name] = count if before is None or count is None else before + count
                gone += count or 0
        done, changed = erase(self.person, self.tickets, self.state, dry_run=dry_run)
        self.done += done
        return gone + done.total + self._copy_round(changed, dry_run=dry_run)

    def _look_again(self) -> None:
        now = find_person(self.tickets, self.state, self.person.owner)
        ids = {*self.person.ticket_ids, *now.ticket_ids}
        if self.copy is not None and not self.copy_error:
            try:
                ids |= self.copy.ids_of(now.owner)
            except StoreUnavailable as error:
                self.copy_error = str(error)
        self.person = replace(now, ticket_ids=frozenset(ids))

    def _copy_round(self, changed: tuple[str, ...], *, dry_run: bool) -> int:
        if self.copy is None or self.copy_error:
            return 0
        try:
            count = erase_copy(self.person, self.copy, self.tickets, changed, dry_run=dry_run)
        except StoreUnavailable as error:
            self.copy_error = str(error)
            return 0
        self.copied += count
        return count


@click.command("purge")
@click.option("--owner", required=True, help="Whose data: the owner of the tickets.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Pause before each further round: longer than services hold what they have not written.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def purge_command(owner: str, dry_run: bool, yes: bool, wait_seconds: float, as_json: bool) -> int:
    """Remove a person's data everywhere and print what went.

    Tickets and what names them or their owner: predictions, outcomes, verdicts with their notes, refused documents,
    messages and dead letters of every stream that is read, threats told through Redis. Verdicts that the person gave on
    others' tickets stay as labels without name and note, others' tickets that name the person stay without that. The ledger
    keeps digests only, statistics and caches hold digests only. Rounds go on until one finds nothing in any store, at most
    five; then every file of the data folder is searched. Exit code 1 when anything is left, or where a broker cannot
    delete; 4 when ClickHouse does not answer: the rest is gone, run it again for that.

    Example: hive-ml data purge --owner ana@example.org --dry-run
    """
    settings = load_settings()
    click.echo(describe(settings), err=True)
    if not (dry_run or yes):
        click.confirm(f"Remove the data of {owner!r} for good?", abort=True, err=True)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        tickets = stack.enter_context(closing(open_tickets(settings)))
        state = stack.enter_context(closing(open_state(settings)))
        copy = None
        if settings.text("CLICKHOUSE_HOST"):
            copy = stack.enter_context(closing(open_clickhouse(settings)))
            if not dry_run:
                # A sync that has read the tickets before would write them again after.
                stack.enter_context(sole_run(state, SystemClock(), name=SYNC_LEASE))
        purge = _Purge(settings, tickets, state, copy, Person(owner))
        if dry_run:
            purge.round(dry_run=True)
        else:
            _until_nothing_is_left(purge, wait_seconds)
            done = purge.done
            payload = {
                "tickets": done.tickets,
                "records": sum(done.records.values()),
                "verdicts": done.verdicts + done.verdicts_unnamed,
            }
            ledger = open_ledger(settings, state)
            now_ms = SystemClock().now_ms()
            ledger.append("erasure", personal(owner), payload, at_ms=now_ms, actor=personal(getpass.getuser()))
            state.forget()
    left = [] if dry_run else _left(purge)
    _tell(purge, left, dry_run=dry_run, as_json=as_json)
    if left or None in purge.streams.values():
        return EXIT_FAILURE
    return EXIT_UNREACHABLE if purge.copy_error else EXIT_OK


def _until_nothing_is_left(purge: _Purge, wait_seconds: float) -> None:
    for number in range(_ROUNDS):
        if number:
            time.sleep(wait_seconds)
        found = purge.round(dry_run=False)
        if number and not found:
            purge.settled = True
            return


def _left(purge: _Purge) -> list[str]:
    """Return what still names the person, or may: files, others' tickets, what keeps coming in."""
    left = [trace.path for trace in traces_of(purge.person, purge.settings.data_dir)]
    left += [f"ticket {ticket_id} of somebody else" for ticket_id in purge.done.still_named]
    return left if purge.settled else [*left, _COMES_IN]


def _tell(purge: _Purge, left: list[str], *, dry_run: bool, as_json: bool) -> None:
    done, copy = purge.done, None if purge.copy is None else (purge.copy_error or purge.copied)
    if as_json:
        told = {"dry_run": dry_run, **asdict(done), "clickhouse": copy, "streams": purge.streams, "left": left}
        click.echo(json.dumps(told))
        return
    verb = "would go" if dry_run else "gone"
    click.echo(f"tickets: {done.tickets:,} {verb}, {done.tickets_unnamed:,} of others without the name")
    if done.unreadable:
        click.echo(f"documents that are no tickets: {done.unreadable:,} {verb}")
    for collection, count in done.records.items():
        click.echo(f"{collection}: {count:,} {verb}")
    click.echo(f"human_verdicts: {done.verdicts:,} {verb}, {done.verdicts_unnamed:,} without name and note")
    for stream, messages in purge.streams.items():
        click.echo(f"{stream}: " + (f"{messages:,} gone" if messages is not None else _KAFKA))
    if purge.copy_error:
        click.echo(f"ClickHouse: not asked, {purge.copy_error}; run it again when it answers")
    elif purge.copy is not None:
        click.echo(f"ClickHouse: {purge.copied:,} tickets {verb} or copied anew")
    if not dry_run:
        click.echo("searched everything: " + (f"still named in {', '.join(left)}" if left else "nothing is left"))
