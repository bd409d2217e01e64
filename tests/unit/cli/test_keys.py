"""Keys: what is made is what services accept, and secrets are not readable by others."""

import json
from pathlib import Path

from click.testing import CliRunner
from starlette.requests import Request

from neural_hive_ml.cli.app import run
from neural_hive_ml.cli.keys import keys_command
from neural_hive_ml.registry.sign import check_signature, load_signing_key, load_verify_keys
from neural_hive_ml.serving.http.auth import Keyring


def asked_with(key: str) -> Request:
    return Request({"type": "http", "headers": [(b"authorization", f"Bearer {key}".encode())]})


def test_a_new_key_opens_what_its_roles_say() -> None:
    shown = CliRunner().invoke(keys_command, ["new", "ops", "--role", "score", "--role", "operate", "--json"])
    made = json.loads(shown.output)
    ring = Keyring.from_text(made["entry"])
    assert ring.allow(asked_with(made["key"]), "operate").key_id == "ops"
    assert made["key"] not in made["entry"]


def test_two_keys_are_never_the_same() -> None:
    made = {CliRunner().invoke(keys_command, ["new", "a", "--role", "score"]).output for _ in range(3)}
    assert len(made) == 3


def test_a_bad_id_is_bad_usage() -> None:
    assert run(keys_command, ["new", "a:b", "--role", "score"]) == 2


def test_the_pair_signs_and_verifies_and_is_never_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert run(keys_command, ["signing", str(folder)]) == 0
    private = folder / "signing.pem"
    assert private.stat().st_mode & 0o077 == 0
    signer = load_signing_key(private.read_text())
    keys = load_verify_keys((folder / "verify.pem").read_text())
    assert check_signature(signer.seal("0" * 64), keys) == keys[0].id
    before = private.read_bytes()
    assert run(keys_command, ["signing", str(folder)]) == 2
    assert private.read_bytes() == before
