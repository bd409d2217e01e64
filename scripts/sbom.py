"""A bill of materials (CycloneDX 1.6, JSON) of a lock file: what is installed, who asks for it, its digests.

    python scripts/sbom.py requirements.lock > dist/sbom.cdx.json

The same lock gives the same bytes. Licenses are what the installed packages state; unknown ones are left out.
"""

import json
import re
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

ROOT = "neural-hive-ml"
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\]+))?")
_VIA = re.compile(r"^\s+#\s+(?:via\s+)?(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(slots=True)
class Pin:
    """One locked package; `via` are the packages that ask for it."""

    name: str
    version: str
    marker: str = ""
    hashes: list[str] = field(default_factory=list)
    via: list[str] = field(default_factory=list)

    @property
    def purl(self) -> str:
        """The package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def read_lock(text: str) -> list[Pin]:
    """Read the pins of a lock that uv wrote, in its order."""
    pins: list[Pin] = []
    for line in text.splitlines():
        found = _PIN.match(line)
        if found:
            name = re.sub(r"[-_.]+", "-", found["name"]).lower()
            pins.append(Pin(name, found["version"], (found["marker"] or "").strip()))
        elif pins and "--hash=sha256:" in line:
            pins[-1].hashes.append(line.partition("--hash=sha256:")[2].strip(" \\"))
        elif pins and (asked := _VIA.match(line)) and asked["name"] != "via":
            pins[-1].via.append(re.sub(r"[-_.]+", "-", asked["name"]).lower())
    return pins


def bill(pins: list[Pin], version: str) -> dict[str, Any]:
    """Return the CycloneDX document."""
    root = f"pkg:pypi/{ROOT}@{version}"
    purl_of = {pin.name: pin.purl for pin in pins} | {ROOT: root}
    asks: dict[str, list[str]] = {purl: [] for purl in [root, *(pin.purl for pin in pins)]}
    for pin in pins:
        for parent in pin.via or [ROOT]:
            # A lock names its own file where a package is asked for directly.
            asks[purl_of.get(parent, root)].append(pin.purl)
    components = [_component(pin) for pin in pins]
    serial = uuid5(NAMESPACE_URL, json.dumps([root, components], sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "name": ROOT, "version": version, "bom-ref": root, "purl": root}
        },
        "components": components,
        "dependencies": [{"ref": purl, "dependsOn": sorted(set(of))} for purl, of in asks.items()],
    }


def _component(pin: Pin) -> dict[str, Any]:
    properties = [{"name": "sha256", "value": digest} for digest in pin.hashes]
    if pin.marker:
        properties.append({"name": "marker", "value": pin.marker})
    component: dict[str, Any] = {
        "type": "library",
        "name": pin.name,
        "version": pin.version,
        "bom-ref": pin.purl,
        "purl": pin.purl,
        "properties": properties,
    }
    license_name = _license(pin)
    if license_name:
        component["licenses"] = [{"license": {"name": license_name}}]
    return component


def _license(pin: Pin) -> str:
    try:
        found = metadata.metadata(pin.name)
    except metadata.PackageNotFoundError:
        return ""
    if metadata.version(pin.name) != pin.version:
        return ""
    stated = found.get("License-Expression") or found.get("License") or ""
    if stated and "\n" not in stated and len(stated) < 80 and stated != "UNKNOWN":
        return stated
    classified = [
        c.rpartition("::")[2].strip() for c in found.get_all("Classifier") or () if c.startswith("License ::")
    ]
    return ", ".join(classified)


def main(lock: Path) -> None:
    """Print the bill of a lock."""
    from neural_hive_ml import __version__

    print(json.dumps(bill(read_lock(lock.read_text(encoding="utf-8")), __version__), indent=1, sort_keys=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
