"""Keys change without a gap: the old and the new are valid at once, and the old one is refused once it is taken away."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from starlette.requests import Request
from tests.support.registry import duration_model

from neural_hive_ml.cli.app import COMMANDS, LazyGroup, hive_ml, run
from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.registry.files import check_directory, write_artifact
from neural_hive_ml.registry.sign import check_signature, load_signing_key, load_verify_keys
from neural_hive_ml.serving.http.auth import Keyring
from neural_hive_ml.serving.http.problem import Problem
from neural_hive_ml.settings import load_settings


def made(capsys: pytest.CaptureFixture[str], name: str) -> tuple[str, str]:
    assert run(hive_ml, ["keys", "new", name, "--role", "score"]) == 0
    key, entry = (line.rpartition(": ")[2] for line in capsys.readouterr().out.splitlines())
    return key, entry


def asking(key: str) -> Request:
    return Request({"type": "http", "headers": [(b"authorization", f"Bearer {key}".encode())]})


def test_an_api_key_is_changed_in_three_steps_and_no_caller_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (old, old_entry), (new, new_entry) = made(capsys, "caller"), made(capsys, "caller-2")
    file = tmp_path / "keys"

    def ring(*entries: str) -> Keyring:
        file.write_text(",".join(entries) + "\n")
        return Keyring.from_text(load_settings({"HIVE_API_KEYS_FILE": str(file)}).text("HIVE_API_KEYS"))

    both = ring(old_entry, new_entry)
    assert [both.allow(asking(key), "score").key_id for key in (old, new)] == ["caller", "caller-2"]
    after = ring(new_entry)
    assert after.allow(asking(new), "score").key_id == "caller-2"
    with pytest.raises(Problem) as refused:
        after.allow(asking(old), "score")
    assert refused.value.status == 401
    assert old not in file.read_text()
    assert new not in file.read_text(), "digests only"


def test_a_signing_key_is_changed_while_artifacts_of_both_serve(tmp_path: Path) -> None:
    pairs = []
    for name in ("old", "new"):
        assert run(hive_ml, ["keys", "signing", str(tmp_path / name)]) == 0
        pairs.append([(tmp_path / name / f"{part}.pem").read_text() for part in ("signing", "verify")])
    (old_private, old_public), (new_private, new_public) = pairs
    artifacts = []
    for number, private in enumerate((old_private, new_private)):
        write_artifact(duration_model(seed=number), tmp_path / f"a{number}", load_signing_key(private))
        artifacts.append(check_directory(tmp_path / f"a{number}").seal)
    both = load_verify_keys(old_public + new_public)
    ids = [check_signature(seal, both) for seal in artifacts]
    assert len(set(ids)) == 2
    only_new = load_verify_keys(new_public)
    assert check_signature(artifacts[1], only_new) == ids[1]
    with pytest.raises(ArtifactRefused, match="not among the valid ones"):
        check_signature(artifacts[0], only_new)


def test_no_command_takes_a_secret_as_an_argument() -> None:
    for path, command in commands():
        for parameter in command.params:
            words = {
                word for text in (parameter.name or "", *parameter.opts) for word in text.strip("-").split("_")
            }
            words = {part for word in words for part in word.split("-")}
            assert not words & {"password", "secret", "token", "credential", "credentials"}, (
                f"{path} {parameter.name}"
            )
            assert "key" not in words or parameter.name == "key_id", f"{path} {parameter.name}"


def commands() -> Iterator[tuple[str, click.Command]]:
    assert isinstance(hive_ml, LazyGroup)
    context = click.Context(hive_ml)
    waiting = [(name, hive_ml.get_command(context, name)) for name in COMMANDS]
    while waiting:
        path, command = waiting.pop()
        assert command is not None
        yield path, command
        if isinstance(command, click.Group):
            inner = click.Context(command)
            waiting += [
                (f"{path} {name}", command.get_command(inner, name)) for name in command.list_commands(inner)
            ]
