"""Signatures of artifacts: ed25519 over the manifest's digest, several valid keys at once.

A key's id is derived from the key itself, so it cannot be given to another one. To rotate: add the new
public key to HIVE_VERIFY_KEYS everywhere, then change HIVE_SIGNING_KEY, and remove the old public key
when no artifact that it signed serves any more.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from neural_hive_ml.errors import ArtifactRefused, UsageError
from neural_hive_ml.registry.manifest import Seal, sha256

# Says what is signed, so that a signature made for anything else is worth nothing here.
_CONTEXT = b"neural-hive-ml artifact v1\n"
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A public key that may vouch for artifacts; `id` is the start of the SHA-256 of its raw bytes."""

    id: str
    key: Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Signer:
    """The private key of whoever registers models."""

    id: str
    key: Ed25519PrivateKey

    def seal(self, digest: str) -> Seal:
        """Sign a manifest's digest."""
        return Seal(digest=digest, key_id=self.id, signature=self.key.sign(_CONTEXT + digest.encode()).hex())

    def public_pem(self) -> str:
        """Return the public key as PEM text, for HIVE_VERIFY_KEYS."""
        return (
            self.key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )


def key_id(key: Ed25519PublicKey) -> str:
    """Return the id of a public key: 16 hexadecimal digits."""
    return sha256(key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))[:16]


def load_signing_key(pem_text: str) -> Signer:
    """Read a private key from PEM text.

    Raises
    ------
    UsageError
        When it is not an unencrypted ed25519 private key.
    """
    try:
        key = serialization.load_pem_private_key(pem_text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None  # the loader's own message may quote key material, so it is not passed on
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            "HIVE_SIGNING_KEY is not an unencrypted ed25519 private key in PEM",
            remedy="openssl genpkey -algorithm ed25519",
        )
    return Signer(key_id(key.public_key()), key)


def load_verify_keys(pem_text: str) -> tuple[VerifyKey, ...]:
    """Read all public keys from concatenated PEM blocks; empty text gives no keys.

    Raises
    ------
    UsageError
        When text is given but holds no key, or a block is not an ed25519 public key.
    """
    blocks = _PEM.findall(pem_text)
    if pem_text.strip() and not blocks:
        raise UsageError("HIVE_VERIFY_KEYS holds no PEM public key", remedy="openssl pkey -in KEY -pubout")
    keys = []
    for number, block in enumerate(blocks, start=1):
        try:
            key = serialization.load_pem_public_key(block.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise UsageError(f"HIVE_VERIFY_KEYS, block {number}, is not readable: {error}") from error
        if not isinstance(key, Ed25519PublicKey):
            raise UsageError(f"HIVE_VERIFY_KEYS, block {number}, is not an ed25519 public key")
        keys.append(VerifyKey(key_id(key), key))
    return tuple(keys)


def check_signature(seal: Seal, keys: Sequence[VerifyKey]) -> str:
    """Return the id of the key that vouches for a sealed digest.

    Raises
    ------
    ArtifactRefused
        When the seal is unsigned, signed by a key that is not among `keys`, or wrong.
    """
    if not seal.signature:
        raise ArtifactRefused(
            "the artifact is not signed, and HIVE_VERIFY_KEYS asks for signatures",
            kind="signature",
            remedy="register it again with HIVE_SIGNING_KEY set",
        )
    for key in keys:
        if key.id == seal.key_id:
            try:
                key.key.verify(bytes.fromhex(seal.signature), _CONTEXT + seal.digest.encode())
            except (InvalidSignature, ValueError) as error:
                raise ArtifactRefused(f"the signature by key {key.id} is wrong", kind="signature") from error
            return key.id
    known = ", ".join(key.id for key in keys)
    raise ArtifactRefused(
        f"the artifact is signed by key {seal.key_id!r}, which is not among the valid ones ({known})",
        kind="signature",
        remedy="add its public key to HIVE_VERIFY_KEYS, or register the model again",
    )
