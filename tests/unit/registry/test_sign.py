"""Signatures: who vouches for an artifact, and how keys rotate."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.registry import LinearScorer, linear_model

from neural_hive_ml.errors import ArtifactRefused, UsageError
from neural_hive_ml.registry.files import write_artifact
from neural_hive_ml.registry.manifest import SEAL_FILE, parse_seal
from neural_hive_ml.registry.sign import Signer, load_signing_key, load_verify_keys
from neural_hive_ml.registry.verify import verify_artifact


def new_signer() -> Signer:
    return load_signing_key(private_pem(Ed25519PrivateKey.generate()))


def private_pem(key: object) -> str:
    return key.private_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def test_a_signed_artifact_is_accepted_by_its_key_and_says_so(tmp_path: Path) -> None:
    signer = new_signer()
    write_artifact(linear_model(), tmp_path / "a", signer)

    verified = verify_artifact(
        tmp_path / "a", load_scorer=LinearScorer, keys=load_verify_keys(signer.public_pem())
    )

    assert verified.signed_by == signer.id
    assert f"signed by key {signer.id}" in verified.reasons()


def test_unsigned_is_refused_once_keys_are_configured(tmp_path: Path) -> None:
    write_artifact(linear_model(), tmp_path / "a")

    verify_artifact(tmp_path / "a", load_scorer=LinearScorer)
    with pytest.raises(ArtifactRefused, match="not signed"):
        verify_artifact(tmp_path / "a", load_scorer=LinearScorer, keys=load_verify_keys(new_signer().public_pem()))


def test_keys_rotate_without_a_moment_of_refusal(tmp_path: Path) -> None:
    old, new = new_signer(), new_signer()
    write_artifact(linear_model(seed=1), tmp_path / "old", old)
    write_artifact(linear_model(seed=2), tmp_path / "new", new)
    both = load_verify_keys(f"the old one\n{old.public_pem()}\nthe new one\n{new.public_pem()}")

    for name in ("old", "new"):
        verify_artifact(tmp_path / name, load_scorer=LinearScorer, keys=both)
    only_new = load_verify_keys(new.public_pem())
    verify_artifact(tmp_path / "new", load_scorer=LinearScorer, keys=only_new)
    with pytest.raises(ArtifactRefused, match="not among the valid ones"):
        verify_artifact(tmp_path / "old", load_scorer=LinearScorer, keys=only_new)


def test_a_signature_does_not_fit_another_artifact(tmp_path: Path) -> None:
    signer = new_signer()
    write_artifact(linear_model(seed=1), tmp_path / "a", signer)
    write_artifact(linear_model(seed=2), tmp_path / "b", signer)
    from msgspec.structs import replace

    stolen = parse_seal((tmp_path / "a" / SEAL_FILE).read_bytes())
    own = parse_seal((tmp_path / "b" / SEAL_FILE).read_bytes())
    (tmp_path / "b" / SEAL_FILE).write_bytes(replace(own, signature=stolen.signature).to_bytes())

    with pytest.raises(ArtifactRefused, match="is wrong"):
        verify_artifact(tmp_path / "b", load_scorer=LinearScorer, keys=load_verify_keys(signer.public_pem()))


@pytest.mark.parametrize("text", ["nonsense", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_unreadable_verify_keys_are_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="HIVE_VERIFY_KEYS"):
        load_verify_keys(text)


def test_no_text_is_no_keys() -> None:
    assert load_verify_keys("  \n") == ()


def test_other_kinds_of_keys_are_refused_and_never_quoted() -> None:
    other = private_pem(generate_private_key(SECP256R1()))
    with pytest.raises(UsageError) as caught:
        load_signing_key(other)
    assert other.splitlines()[1] not in str(caught.value)
    public = generate_private_key(SECP256R1()).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(UsageError, match="not an ed25519"):
        load_verify_keys(pem.decode())
