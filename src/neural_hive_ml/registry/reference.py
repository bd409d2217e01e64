"""Names of versions as people type them: ``NAME``, ``NAME@alias``, ``NAME/version``; and list filters."""

import re
from dataclasses import dataclass

from neural_hive_ml.conventions import CHAMPION
from neural_hive_ml.errors import NotFound, UsageError
from neural_hive_ml.registry.port import ModelVersion, Registry

_REFERENCE = re.compile(r"(?P<name>[^@/\s]+)(?:@(?P<alias>[\w\-]+)|/v?(?P<version>\d+))?")
_FILTER = re.compile(
    r"\s*name\s+(?P<operator>like|ilike|=)\s+(?P<quote>['\"])(?P<value>[^'\"]*)(?P=quote)\s*", re.I
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A model, and which version of it; neither alias nor version means the champion, else the newest."""

    name: str
    alias: str = ""
    version: int | None = None


def parse_reference(text: str) -> Reference:
    """Read a reference.

    >>> parse_reference("load-predictor-60m@champion")
    Reference(name='load-predictor-60m', alias='champion', version=None)
    >>> parse_reference("load-predictor-60m/3").version
    3

    Raises
    ------
    UsageError
        When the text is none.
    """
    found = _REFERENCE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} names no model", remedy="give NAME, NAME@alias or NAME/version")
    number = found["version"]
    return Reference(found["name"], found["alias"] or "", int(number) if number else None)


def find(registry: Registry, text: str) -> ModelVersion:
    """Return the version that a reference means. Raises `UsageError`, `NotFound`."""
    reference = parse_reference(text)
    if reference.version is not None:
        return registry.version(reference.name, reference.version)
    if reference.alias:
        held = registry.resolve(reference.name, reference.alias)
        if held is None:
            raise NotFound(f"{reference.name} has no {reference.alias}", remedy="hive-ml models list")
        return held
    champion = registry.resolve(reference.name, CHAMPION)
    if champion is not None:
        return champion
    versions = registry.versions(reference.name)
    if not versions:
        raise NotFound(f"{reference.name} is not in the registry", remedy="hive-ml models list")
    return versions[0]


def parse_filter(text: str) -> str:
    """Read MLflow's filter on names as an SQL LIKE pattern; empty text is every name.

    >>> parse_filter("name LIKE 'anomaly%'"), parse_filter("")
    ('anomaly%', '%')

    Raises
    ------
    UsageError
        When it asks for anything else.
    """
    if not text.strip():
        return "%"
    found = _FILTER.fullmatch(text)
    if found is None:
        raise UsageError(
            f"--filter {text!r} is not understood", remedy="write name LIKE 'anomaly%' or name = 'NAME'"
        )
    return found["value"]
