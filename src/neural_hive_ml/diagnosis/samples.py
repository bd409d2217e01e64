"""Could each model be trained on the tickets there are? Asked of the trainers' own conditions."""

from collections.abc import Iterator
from contextlib import closing
from typing import Final

from neural_hive_ml.bootstrap import open_tickets
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.conventions import EXIT_NOT_ENOUGH_DATA, FAMILIES
from neural_hive_ml.diagnosis.check import Check
from neural_hive_ml.errors import NotEnoughData
from neural_hive_ml.flow import read_window
from neural_hive_ml.settings import Settings
from neural_hive_ml.training.request import TrainingRequest, requests_for
from neural_hive_ml.training.sufficiency import Enough, enough_for

# Days back, the last one what a training reads: what suffices in a short window suffices in a longer one.
_WINDOWS_DAYS: Final = (16, 90, 540)


def check_samples(settings: Settings) -> Iterator[Check]:
    """Yield one check a model; failed when none could be trained, a warning where others could."""
    answers: dict[str, Enough | NotEnoughData] = {}
    with closing(open_tickets(settings)) as store:
        newest_ms = store.extent().newest_event_ms
        if newest_ms is None:
            return
        # An old log is trained as of its newest ticket.
        as_of_ms = min(SystemClock().now_ms(), newest_ms + 1)
        for days in _WINDOWS_DAYS:
            columns = read_window(store, as_of_ms, days)
            requests = requests_for(FAMILIES, as_of_ms=as_of_ms, window_days=days)
            answers |= {r.model_name: enough_for(columns, r) for r in requests if not _is_enough(answers, r)}
            if all(isinstance(answer, Enough) for answer in answers.values()):
                break
    some = any(isinstance(answer, Enough) for answer in answers.values())
    for name, answer in answers.items():
        if isinstance(answer, Enough):
            yield Check(f"samples {name}", "ok", answer.detail)
        else:
            yield Check(
                f"samples {name}",
                "warning" if some else "failed",
                f"{answer.what} (the last {_WINDOWS_DAYS[-1]} days)",
                f"hive-ml tickets import FILE; or hive-ml train with {answer.remedy}",
                EXIT_NOT_ENOUGH_DATA,
            )


def _is_enough(answers: dict[str, Enough | NotEnoughData], request: TrainingRequest) -> bool:
    return isinstance(answers.get(request.model_name), Enough)
