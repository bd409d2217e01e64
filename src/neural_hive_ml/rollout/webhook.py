"""A webhook that takes JSON, as Slack's incoming webhooks do."""

from dataclasses import dataclass
from typing import Any

_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """The address is a secret: it never appears in what is returned or logged."""

    url: str

    def __call__(self, message: dict[str, Any]) -> str:
        """Post a message; return nothing, or why it was not taken. Takes at most a few seconds and never raises."""
        import httpx

        try:
            answer = httpx.post(self.url, json=message, timeout=_SECONDS, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            return f"the webhook does not answer: {type(error).__name__}"
        return "" if answer.is_success else f"the webhook answered {answer.status_code}"
