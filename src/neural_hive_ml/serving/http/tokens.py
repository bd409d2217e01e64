"""JSON web tokens: HS256 with a shared secret or RS256 with a public key; several of each are valid at once."""

import re
from dataclasses import dataclass
from typing import Any, Final

from neural_hive_ml.conventions import ALL_ROLES_CLAIM
from neural_hive_ml.errors import UsageError

# Below the digest's own size a secret is the weakest part (RFC 7518, 3.2).
_LEAST_SECRET_BYTES: Final = 32
_LEEWAY_SECONDS: Final = 30
_PEM: Final = re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)
_ALGORITHMS: Final = ("HS256", "RS256")


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token names, and the roles that it gives."""

    subject: str
    roles: frozenset[str]


class TokenRefused(Exception):
    """A token is not valid; says why, never repeats it."""


@dataclass(frozen=True, slots=True)
class TokenVerifier:
    """The secrets and public keys that tokens may be signed with; an empty issuer or audience is not asked for."""

    secrets: tuple[bytes, ...] = ()
    public_keys: tuple[Any, ...] = ()
    issuer: str = ""
    audience: str = ""

    @staticmethod
    def from_text(secrets: str, public_keys: str, issuer: str = "", audience: str = "") -> "TokenVerifier | None":
        """Read secrets separated by commas and concatenated PEM public keys; None without any.

        Raises
        ------
        UsageError
            For a secret below 32 bytes, or text that is no RSA public key.
        """
        shared = tuple(part.strip().encode() for part in secrets.split(",") if part.strip())
        for position, secret in enumerate(shared):
            if len(secret) < _LEAST_SECRET_BYTES:
                raise UsageError(
                    f"HIVE_JWT_SECRETS entry {position + 1} has {len(secret)} bytes, at least {_LEAST_SECRET_BYTES} needed",
                    remedy="use a random secret, such as of hive-ml keys new",
                )
        keys = tuple(map(_public_key, _PEM.findall(public_keys)))
        if public_keys.strip() and not keys:
            raise UsageError("HIVE_JWT_PUBLIC_KEYS holds no PEM public key", remedy="set it to PEM text")
        return TokenVerifier(shared, keys, issuer, audience) if shared or keys else None

    def verify(self, token: str) -> Bearer:
        """Return what a token says. Raises `TokenRefused`."""
        import jwt

        try:
            algorithm = jwt.get_unverified_header(token).get("alg")
        except jwt.PyJWTError:
            raise TokenRefused("it is no JSON web token") from None
        if algorithm not in _ALGORITHMS:
            raise TokenRefused(f"it is signed with none of {', '.join(_ALGORITHMS)}")
        # The kind of key decides about the algorithm, never the token alone: a public key is no shared secret.
        keys = self.secrets if algorithm == "HS256" else self.public_keys
        why = "its signature is of none of the keys"
        for key in keys:
            try:
                claims = jwt.decode(
                    token,
                    key,
                    algorithms=[algorithm],
                    issuer=self.issuer or None,
                    audience=self.audience or None,
                    leeway=_LEEWAY_SECONDS,
                    options={"require": ["exp", "sub"], "verify_aud": bool(self.audience)},
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.PyJWTError as error:
                why = str(error)
                continue
            return Bearer(str(claims["sub"]), _roles(claims))
        raise TokenRefused(why)


def _roles(claims: dict[str, Any]) -> frozenset[str]:
    """Return the roles of ``roles``, ``scope`` or ``realm_access.roles`` (Keycloak), whatever each is."""
    named: list[str] = []
    realm = claims.get("realm_access")
    for value in (
        claims.get("roles"),
        claims.get("scope"),
        realm.get("roles") if isinstance(realm, dict) else None,
    ):
        if isinstance(value, str):
            named += value.split()
        elif isinstance(value, list):
            named += [entry for entry in value if isinstance(entry, str)]
    roles = frozenset(named)
    return roles | frozenset(("score", "feedback", "operate")) if ALL_ROLES_CLAIM in roles else roles


def _public_key(pem: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey):
        raise UsageError("HIVE_JWT_PUBLIC_KEYS holds what is no RSA public key", remedy="set it to PEM text")
    return key
