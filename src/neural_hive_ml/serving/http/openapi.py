"""The OpenAPI 3.1 document of a service, made from its endpoints and the types that they decode and encode."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from neural_hive_ml.serving.http.endpoint import Endpoint
from neural_hive_ml.serving.http.problem import PROBLEM_JSON

_REF: Final = "#/components/schemas/{name}"
_JSON: Final = "application/json"
_PROBLEMS: Final = {
    400: "the request is not understood",
    401: "no valid key or token was sent",
    403: "the key lacks the role, or the request comes from another site's page",
    404: "there is no such thing",
    408: "the body did not arrive in time",
    409: "it cannot be done as things stand",
    413: "the body or the batch is larger than is taken",
    415: "the body is no JSON",
    422: "the body is JSON, but not what the route takes; `field` says where",
    429: "the key calls more often than it may; Retry-After says when to come again",
    500: "a fault of the service, logged under the answer's ids",
    503: "what the answer needs does not answer, or not in time",
}
_PROBLEM_CONTENT: Final = {PROBLEM_JSON: {"schema": {"$ref": _REF.format(name="ProblemDocument")}}}


class ProblemDocument(msgspec.Struct, frozen=True):
    """An error (RFC 9457): what is wrong, in which field, what to do. Empty members are left out."""

    title: str
    status: int
    type: str = "about:blank"
    detail: str = ""
    field: str = ""
    remedy: str = ""
    request_id: str = ""
    trace_id: str = ""


def document_of(title: str, description: str, version: str, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the document; every endpoint of the service is in it."""
    types = [ProblemDocument, *_types_of(endpoints)]
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "description": description, "version": version},
        "paths": paths,
        "components": {
            "schemas": {name: _cleaned(schema) for name, schema in components.items()},
            "responses": {str(status): _problem(status, meaning) for status, meaning in _PROBLEMS.items()},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "an API key, or a JWT (HS256, RS256)",
                },
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _types_of(endpoints: Sequence[Endpoint]) -> list[Any]:
    found: list[Any] = []
    for endpoint in endpoints:
        found += [t for t in (endpoint.body, endpoint.answer) if t is not None and not isinstance(t, str)]
    return found


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    told = inspect.getdoc(endpoint.handler) or ""
    summary, _, more = told.partition("\n")
    operation: dict[str, Any] = {
        "operationId": f"{endpoint.method.lower()}{endpoint.path.translate(_ID)}",
        "summary": summary,
        "responses": _responses(endpoint),
    }
    if more.strip():
        operation["description"] = more.strip()
    if endpoint.parameters:
        operation["parameters"] = [
            {
                "name": p.name,
                "in": p.place,
                "required": p.place == "path",
                "description": p.meaning,
                "schema": _cleaned(msgspec.json.schema(p.kind)),
                **({} if p.example is None else {"example": p.example}),
            }
            for p in endpoint.parameters
        ]
    if endpoint.body is not None:
        content: dict[str, Any] = {"schema": _schema(endpoint.body)}
        if endpoint.example.body is not None:
            content["example"] = endpoint.example.body
        operation["requestBody"] = {"required": True, "content": {_JSON: content}}
    if endpoint.role is not None:
        needed = [] if endpoint.role == "any" else [endpoint.role]
        operation["security"] = [{"bearer": needed}, {"key": needed}]
    return operation


_ID: Final = {ord("/"): "_", ord("-"): "_", ord("{"): None, ord("}"): None, ord("."): "_"}


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    if isinstance(endpoint.answer, str):
        content: dict[str, Any] = {endpoint.answer: {"schema": {"type": "string"}}}
    else:
        content = {_JSON: {"schema": _schema(endpoint.answer)}}
        if endpoint.example.answer is not None:
            content[_JSON]["example"] = endpoint.example.answer
    responses: dict[int, Any] = {endpoint.status: {"description": "the answer", "content": content}}
    common = _problems_of(endpoint)
    for status, meaning in endpoint.statuses.items():
        # A status of the route's own may also be an error of any route's: 503 is "not ready" and "not in time".
        either = {**content, **_PROBLEM_CONTENT} if status in common else content
        responses[status] = {"description": meaning, "content": either}
    for status, meaning in endpoint.problems.items():
        responses[status] = _problem(status, meaning)
    for status in common:
        responses.setdefault(status, {"$ref": f"#/components/responses/{status}"})
    return {str(status): responses[status] for status in sorted(responses)}


def _problems_of(endpoint: Endpoint) -> set[int]:
    problems = {500, 503}
    if endpoint.role is not None:
        problems |= {401, 403, 429}
    if endpoint.parameters or endpoint.body is not None:
        problems.add(400)
    if any(p.place == "path" for p in endpoint.parameters):
        problems.add(404)
    if endpoint.method == "POST":
        problems.add(403)
    if endpoint.body is not None:
        problems |= {404, 408, 409, 413, 415, 422}
    return problems


def _problem(status: int, meaning: str) -> dict[str, Any]:
    told: dict[str, Any] = {"description": meaning, "content": _PROBLEM_CONTENT}
    return told | ({"headers": {"Retry-After": {"schema": {"type": "integer"}}}} if status == 429 else {})


def _schema(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    cleaned: dict[str, Any] = _cleaned(schema)
    return cleaned


def _cleaned(schema: Any) -> Any:
    """Write descriptions, which come from docstrings, in one paragraph each."""
    if isinstance(schema, Mapping):
        return {
            key: inspect.cleandoc(value) if key == "description" and isinstance(value, str) else _cleaned(value)
            for key, value in schema.items()
        }
    return [_cleaned(entry) for entry in schema] if isinstance(schema, list) else schema
