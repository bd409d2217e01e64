"""`hive-ml keys`: make API keys of the services and the pair that signs artifacts."""

import json
import secrets
from hashlib import sha256
from pathlib import Path

import click
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from neural_hive_ml.errors import UsageError
from neural_hive_ml.registry.sign import load_signing_key
from neural_hive_ml.serving.http.auth import ROLES, Keyring

# 256 bits: nobody guesses it, so a plain digest is enough to keep.
_BYTES = 32


@click.group("keys")
def keys_command() -> None:
    """Make keys. Nothing is stored: what is printed once is for your secret store."""


@keys_command.command("new")
@click.argument("key_id", metavar="ID")
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice(ROLES), help="May be repeated.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def new_command(key_id: str, roles: tuple[str, ...], as_json: bool) -> None:
    """Make an API key; ID is its name in logs, e.g. the caller's.

    The key goes to the caller, the entry into HIVE_API_KEYS (entries are separated by commas; several keys are
    valid at once, so a key is changed without a gap).

    Example: hive-ml keys new orchestrator --role score
    """
    if not key_id.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"{key_id!r} is no id", remedy="use letters, digits, - and _")
    key = secrets.token_urlsafe(_BYTES)
    entry = f"{key_id}:{'+'.join(dict.fromkeys(roles))}:{sha256(key.encode()).hexdigest()}"
    Keyring.from_text(entry)
    if as_json:
        click.echo(json.dumps({"key": key, "entry": entry}))
        return
    click.echo(f"key, for the caller (Authorization: Bearer ...): {key}")
    click.echo(f"entry, for HIVE_API_KEYS: {entry}")


@keys_command.command("signing")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def signing_command(folder: Path) -> None:
    """Make the ed25519 pair of artifacts: FOLDER/signing.pem (secret) and FOLDER/verify.pem.

    Training gets HIVE_SIGNING_KEY_FILE=FOLDER/signing.pem, services HIVE_VERIFY_KEYS_FILE=FOLDER/verify.pem; with
    it they refuse what is not signed. Files that are there are never overwritten.

    Example: hive-ml keys signing ./secrets
    """
    private, public = folder / "signing.pem", folder / "verify.pem"
    for file in (private, public):
        if file.exists():
            raise UsageError(f"{file} is there already", remedy="name another folder, or move it away")
    folder.mkdir(parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    private.touch(mode=0o600)
    private.write_bytes(pem)
    public.write_text(load_signing_key(pem.decode()).public_pem(), encoding="ascii")
    click.echo(f"wrote {private} (keep it secret) and {public}")
