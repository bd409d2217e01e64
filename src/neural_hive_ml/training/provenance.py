"""A library's own model as bytes that are the same each time: skops writes addresses in memory and the time of writing."""

import json
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

# The earliest moment that a ZIP archive can name.
_NO_MOMENT = (1980, 1, 1, 0, 0, 0)
_SCHEMA = "schema.json"


def skops_bytes(estimator: Any) -> bytes:
    """Return an estimator as a skops archive in which objects are numbered in their order and nothing tells when it was
    written. skops reads it as any other."""
    from skops.io import dumps

    out = BytesIO()
    with ZipFile(BytesIO(dumps(estimator))) as given, ZipFile(out, "w") as taken:
        numbers: dict[int, int] = {}
        files: dict[str, str] = {}
        schema = _numbered(json.loads(given.read(_SCHEMA)), numbers, files)
        _write(taken, _SCHEMA, json.dumps(schema, indent=2).encode())
        for old, new in files.items():
            _write(taken, new, given.read(old))
    return out.getvalue()


def _write(archive: ZipFile, name: str, content: bytes) -> None:
    archive.writestr(ZipInfo(name, _NO_MOMENT), content, ZIP_DEFLATED)


def _numbered(node: Any, numbers: dict[int, int], files: dict[str, str]) -> Any:
    """Copy a schema with each address replaced by its number of first appearance, and each file named by its own."""
    if isinstance(node, list):
        return [_numbered(one, numbers, files) for one in node]
    if not isinstance(node, dict):
        return node
    out: dict[str, Any] = {}
    for key, value in node.items():
        if key == "__id__" and isinstance(value, int):
            out[key] = numbers.setdefault(value, len(numbers) + 1)
        elif key == "file" and isinstance(value, str):
            suffix = value.rpartition(".")[2]
            out[key] = files.setdefault(value, f"{len(files) + 1}.{suffix}")
        else:
            out[key] = _numbered(value, numbers, files)
    return out
