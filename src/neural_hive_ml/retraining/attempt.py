"""One claimed retraining: trained, written down, finished; and what a run that died left of one."""

from collections.abc import Callable, Sequence

from neural_hive_ml.conventions import RETRAINING_ACTOR, RETRAINING_EVENTS
from neural_hive_ml.errors import HiveError
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.retraining.claims import Claim, finish, resume, unfinished
from neural_hive_ml.retraining.events import TrainingOutcome, record_retraining, record_run
from neural_hive_ml.retraining.lease import Hold


def answer(
    hold: Hold,
    ledger: Ledger,
    held: Claim,
    train: Callable[[], TrainingOutcome],
    *,
    actor: str = RETRAINING_ACTOR,
) -> TrainingOutcome:
    """Train what was claimed and write down what came of it. Raises `Conflict` when the lease was lost: nothing began."""
    hold.require()
    begun_ms = hold.clock.now_ms()
    try:
        outcome = train()
    except HiveError as error:
        outcome = TrainingOutcome(held.name, success=False, error=str(error))
    seconds = (hold.clock.now_ms() - begun_ms) / 1000
    record_retraining(hold.state, ledger, held, outcome, seconds=seconds, actor=actor)
    finish(hold.state, held, "succeeded" if outcome.success else "failed")
    return outcome


def left_behind(hold: Hold, ledger: Ledger) -> tuple[Sequence[Claim], Sequence[TrainingOutcome]]:
    """Return the claims of dead runs to be answered now, and the outcomes of those that are given up.

    That a run died is on record as a failed run of the job: nobody else could say it.
    """
    again, given_up = [], []
    for left in unfinished(hold.state):
        event = hold.state.get(RETRAINING_EVENTS, left.key)
        if event is not None:  # it died between writing it down and finishing
            finish(hold.state, left, "succeeded" if event.document.get("success") else "failed")
            continue
        told = f"{left.name}: a run died while it was retraining (try {left.tries})"
        now_ms = hold.clock.now_ms()
        job = "training" if left.trigger == "schedule" else "drift"
        record_run(hold.state, job=job, outcome="failed", started_at_ms=now_ms, ended_at_ms=now_ms, reasons=[told])
        resumed = resume(hold.state, left)
        if resumed is not None:
            again.append(resumed)
            continue
        error = f"the training ended its process {left.tries} times: too little memory, or stopped from outside"
        lost = TrainingOutcome(left.name, success=False, error=error)
        record_retraining(hold.state, ledger, left, lost, seconds=0.0)
        finish(hold.state, left, "failed")
        given_up.append(lost)
    return again, given_up
