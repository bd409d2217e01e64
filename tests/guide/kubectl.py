"""`kubectl` for a machine without a cluster: what a command names must be in our manifests.

As a program it is put into PATH as `kubectl`. Of `logs` it prints what the process that stands for the pods wrote, from
the folder GUIDE_LOGS, so that a pipe into grep finds or does not find what an operator would.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

K8S = Path(__file__).resolve().parents[2] / "k8s"
ALIASES = {
    "pod": "pods", "po": "pods", "deploy": "deployment", "deployments": "deployment", "services": "service",
    "svc": "service", "cronjobs": "cronjob", "jobs": "job", "secrets": "secret", "configmaps": "configmap",
    "servicemonitors": "servicemonitor", "namespaces": "namespace", "hpa": "horizontalpodautoscaler",
    "pvc": "persistentvolumeclaim",
    "poddisruptionbudgets": "poddisruptionbudget", "pdb": "poddisruptionbudget", "networkpolicies": "networkpolicy",
}  # fmt: skip
# Kinds that a cluster makes by itself.
MADE = {"pods", "event", "events", "node", "nodes", "job", "replicaset"}
VERBS = {
    "get",
    "logs",
    "top",
    "scale",
    "rollout",
    "patch",
    "create",
    "describe",
    "apply",
    "kustomize",
    "delete",
    "exec",
}
VALUED = {"-n", "--namespace", "-l", "--selector", "-p", "-f", "-k", "-c", "-o"}


class Unknown(Exception):
    """The command names something that no manifest has."""


def documents() -> Iterator[dict[str, Any]]:
    """Yield every manifest."""
    for file in sorted(K8S.rglob("*.yaml")):
        found = yaml.safe_load_all(file.read_text(encoding="utf-8"))
        yield from (d for d in found if d and d["kind"] != "Kustomization")


def check(words: Sequence[str]) -> dict[str, str]:
    """Raise `Unknown` when namespace, label, kind or name is none of ours; return the options."""
    if not words or words[0] not in VERBS:
        raise Unknown(f"verb {words[:1]}")
    options, plain = _parsed(words[1:])
    known = list(documents())
    namespace = options.get("-n", options.get("--namespace"))
    if namespace is not None and namespace not in {
        d["metadata"].get("name") for d in known if d["kind"] == "Namespace"
    }:
        raise Unknown(f"namespace {namespace}")
    if words[0] in {"apply", "kustomize"}:
        target = options.get("-k") or options.get("-f") or (plain[0] if plain else "")
        if not (K8S.parent / target).exists():
            raise Unknown(f"file {target}")
        return options
    if namespace is None and "-A" not in options and words[0] != "kustomize":
        raise Unknown("neither -n nor -A: the default namespace holds nothing of ours")
    label = options.get("-l", options.get("--selector"))
    if label is not None and label not in _labels(known, namespace):
        raise Unknown(f"label {label} in {namespace or 'any namespace'}")
    _check_object(words[0], plain, options, known, namespace)
    return options


def _parsed(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    plain: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in VALUED:
            options[word] = next(rest)
        elif word.startswith("-"):
            name, _, value = word.partition("=")
            options[name] = value
        else:
            plain.append(word)
    return options, plain


def _labels(known: list[dict[str, Any]], namespace: str | None) -> set[str]:
    found = set()
    for document in known:
        if namespace not in {None, document["metadata"].get("namespace")}:
            continue
        spec = document.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template", {})
        for labels in (document["metadata"].get("labels", {}), template.get("metadata", {}).get("labels", {})):
            found |= {f"{name}={value}" for name, value in labels.items()}
    return found


def _check_object(
    verb: str, plain: list[str], options: dict[str, str], known: list[dict[str, Any]], namespace: str | None
) -> None:
    if "--from" in options:  # create job --from=cronjob/NAME
        kind, _, name = options["--from"].partition("/")
    elif verb in {"top", "logs", "exec"} or not plain:
        return
    else:
        if verb == "rollout":
            plain = plain[1:]
        kind, _, name = plain[0].partition("/")
        name = name or (plain[1] if len(plain) > 1 else "")
    kind = ALIASES.get(kind, kind)
    if kind in MADE:
        return
    named = [
        d["metadata"].get("name")
        for d in known
        if d["kind"].lower() == kind and namespace in {None, d["metadata"].get("namespace")}
    ]
    if not named or (name and name not in named):
        raise Unknown(f"{kind} {name} in {namespace or 'any namespace'}")


def main() -> int:
    """Answer as kubectl would, as far as manifests and logs tell."""
    try:
        options = check(sys.argv[1:])
    except Unknown as fault:
        sys.stderr.write(f"kubectl: no manifest has {fault}\n")
        return 1
    if sys.argv[1] == "logs" and "-l" in options:
        log = Path(os.environ["GUIDE_LOGS"]) / (options["-l"].partition("=")[2] + ".log")
        sys.stdout.write(log.read_text(encoding="utf-8", errors="replace"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
