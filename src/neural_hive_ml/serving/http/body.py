"""Bodies within bounds: read no more than a limit, decode once."""

from starlette.requests import Request

from neural_hive_ml.serving.http.problem import Problem

MAX_TICKET_BYTES = 2 * 2**20
MAX_BATCH_BYTES = 16 * 2**20
MAX_BATCH_TICKETS = 1_000


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body. Raises `Problem` 413 as soon as it exceeds `limit` bytes."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit, int(declared))
    body = bytearray()
    request.scope["reading_body"] = True
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit, len(body))
    request.scope["reading_body"] = False
    if not body:
        raise Problem(400, "Empty body", "no JSON document was sent", remedy="send one as application/json")
    return bytes(body)


def _too_large(limit: int, size: int) -> Problem:
    return Problem(
        413,
        "Body too large",
        f"{size:,} bytes, at most {limit:,} are taken",
        remedy="send smaller batches, or pass references instead of large parameters",
    )
