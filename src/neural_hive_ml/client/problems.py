"""What can go wrong between a program and the services."""

from neural_hive_ml.errors import HiveError


class ApiProblem(HiveError):
    """A service refused: HTTP `status`, `title`, the `field` at fault; `request_id` and `trace_id` find it in its log."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        *,
        field: str = "",
        remedy: str = "",
        request_id: str = "",
        trace_id: str = "",
    ) -> None:
        super().__init__(f"{status} {title}" + (f": {detail}" if detail else ""), remedy=remedy)
        self.status, self.title, self.detail, self.field = status, title, detail, field
        self.request_id, self.trace_id = request_id, trace_id


class Unreachable(HiveError):
    """A service did not answer in time, however often it was asked; `tries` says how often."""

    def __init__(self, what: str, tries: int) -> None:
        super().__init__(what, remedy="check the service's address and health, or allow more time")
        self.tries = tries
