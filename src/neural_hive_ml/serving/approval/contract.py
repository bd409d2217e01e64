"""What approval-service takes and gives, as /openapi.json describes it."""

from typing import Annotated, Final

import msgspec

from neural_hive_ml.serving.http.contract import TICKET
from neural_hive_ml.serving.http.endpoint import Example, Parameter

LIMIT: Final = Parameter("limit", Annotated[int, msgspec.Meta(ge=1, le=1_000)], "entries at most", 50)
TICKET_ID: Final = Parameter("ticket_id", str, "only what is about this ticket", str(TICKET["ticket_id"]))
SPAN: Final = (
    Parameter("since", str, "from this time on, epoch milliseconds or ISO 8601", "2026-09-01T00:00:00Z"),
    Parameter("until", str, "before this time", "2026-10-01T00:00:00Z"),
)
EXAMPLE_VERDICT: Final = Example(
    {"verdict": "anomaly", "ticket_id": TICKET["ticket_id"], "note": "hung on a lock", "author": "ana"}
)
