"""What sending needs: the request as httpx takes it, and what an answer or a failure means."""

import time
from dataclasses import dataclass, field
from random import random
from typing import Any, TypeVar

import httpx
import msgspec

from neural_hive_ml.client.calls import Call, problem_of
from neural_hive_ml.client.patience import AGAIN, Patience, asked_pause
from neural_hive_ml.client.problems import ApiProblem, Unreachable
from neural_hive_ml.client.target import Target

T = TypeVar("T")
VERSION = "v1"


@dataclass(slots=True)
class Attempts:
    """The tries of one call: when they must end, how many there were."""

    patience: Patience
    began: float = field(default_factory=time.monotonic)
    tried: int = 0

    @property
    def left_seconds(self) -> float:
        """What is left of the call's time."""
        return self.patience.total_seconds - (time.monotonic() - self.began)

    def begin(self) -> float:
        """Count a try and return the seconds that it may take from its first byte to its last."""
        self.tried += 1
        return max(min(self.patience.try_seconds, self.left_seconds), 0.001)

    def after(self, response: httpx.Response) -> float | None:
        """Return the pause before another try, None when this answer counts."""
        if response.status_code not in AGAIN:
            return None
        asked = asked_pause(response.headers.get("retry-after"))
        return self.patience.pause(self.tried, asked, random(), self.left_seconds)  # noqa: S311 - no secret

    def after_failure(self, call: "Call[Any]", error: httpx.TransportError | TimeoutError) -> float:
        """Return the pause before another try. Raises `Unreachable` when there is to be none."""
        pause = self.patience.pause(self.tried, None, random(), self.left_seconds)  # noqa: S311 - no secret
        if pause is None:
            name = call.service.replace("_", "-")
            took = time.monotonic() - self.began
            said = f"{type(error).__name__}: {error}" if str(error) else "no whole answer"
            raise Unreachable(f"{name}: {said} within {took:.1f} s", self.tried) from error
        return pause


def request_of(call: "Call[Any]", target: Target) -> dict[str, Any]:
    """Return the arguments of httpx's `request`."""
    headers = {"accept": "application/json", "user-agent": f"neural-hive-ml-client/{VERSION}"}
    if call.body:
        headers["content-type"] = "application/json"
    if target.api_key:
        headers["authorization"] = f"Bearer {target.api_key}"
    url = getattr(target, call.service).rstrip("/") + call.path
    return {
        "method": call.method, "url": url, "content": call.body or None, "params": dict(call.query), "headers": headers,
    }  # fmt: skip


def read_answer(call: "Call[T]", response: httpx.Response) -> T:
    """Return the typed answer. Raises `ApiProblem`, also for an answer that is not of v1."""
    request_id = response.headers.get("x-request-id", "")
    if response.status_code >= 400:
        raise problem_of(response.status_code, response.content, request_id)
    try:
        return call.read(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiProblem(
            response.status_code,
            "not an answer of this API",
            str(error),
            remedy="check the address",
            request_id=request_id,
        ) from error
