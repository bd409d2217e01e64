"""What can go wrong between a program and the services."""

from neural_hive_ml.errors import HiveError


class ApiProblem(HiveError):
    """A service refused: HTTP `status`, `title`, the `field` at fault, and the `request_id` to look for in its log."""

    def __init__(
        self, status: int, title: str, detail: str = "", *, field: str = "", remedy: str = "", request_id: str = ""
    ) -> None:
        super().__init__(f"{status} {title}" + (f": {detail}" if detail else ""), remedy=remedy)
        self.status, self.title, self.detail, self.field, self.request_id = (
            status,
            title,
            detail,
            field,
            request_id,
        )


class Unreachable(HiveError):
    """A service did not answer in time, however often it was asked; `tries` says how often."""

    def __init__(self, what: str, tries: int) -> None:
        super().__init__(what, remedy="check the service's address and health, or allow more time")
        self.tries = tries
