"""Files of a service's own page, under a policy that lets nothing else run."""

from collections.abc import Callable
from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

# Only our own scripts and styles run; nothing is loaded from elsewhere, and no other page may frame this one.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def static_file(package: str, name: str, media_type: str) -> Callable[[Request], Response]:
    """Return the handler of one file in the folder `static` of a package, read once."""
    content = resources.files(package).joinpath("static", name).read_bytes()

    def answer(_: Request) -> Response:
        return Response(content, media_type=media_type, headers={"content-security-policy": POLICY})

    return answer
