"""Who may do what: API keys and tokens with roles, several valid at once, kept as digests, compared in constant time."""

from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final, Literal

from starlette.requests import Request

from neural_hive_ml.errors import UsageError
from neural_hive_ml.serving.http.problem import Problem
from neural_hive_ml.serving.http.tokens import TokenRefused, TokenVerifier

Role = Literal["score", "feedback", "operate"]
ROLES: Final[tuple[Role, ...]] = ("score", "feedback", "operate")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="neural-hive-ml"'}


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key: its id for logs, its roles, the SHA-256 (hex) of its secret."""

    key_id: str
    roles: frozenset[str]
    digest: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who called: the key's id, a token's subject, ``anonymous`` where neither keys nor tokens are configured."""

    key_id: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys and tokens that are valid now. Without any, every caller has every role, on loopback only."""

    keys: tuple[ApiKey, ...] = ()
    tokens: TokenVerifier | None = None

    @staticmethod
    def from_text(text: str, tokens: TokenVerifier | None = None) -> "Keyring":
        """Read ``id:role+role:sha256hex`` entries separated by commas.

        >>> Keyring.from_text("ops:score+operate:" + "0" * 64).keys[0].key_id
        'ops'

        Raises
        ------
        UsageError
            For an entry of another shape; the entry's digest is never repeated.
        """
        keys = []
        for position, entry in enumerate(filter(None, (part.strip() for part in text.split(",")))):
            parts = entry.split(":")
            if len(parts) != 3 or len(parts[2]) != 64 or not set(parts[1].split("+")) <= set(ROLES):
                raise UsageError(
                    f"HIVE_API_KEYS entry {position + 1} is not id:role+role:sha256hex with roles of {', '.join(ROLES)}",
                    remedy="hive-ml keys new",
                )
            keys.append(ApiKey(parts[0], frozenset(parts[1].split("+")), parts[2].lower()))
        return Keyring(tuple(keys), tokens)

    @property
    def protects(self) -> bool:
        """Whether callers must show who they are."""
        return bool(self.keys) or self.tokens is not None

    def caller(self, request: Request) -> Caller:
        """Return who sent a request. Raises `Problem` 401 without a valid key or token."""
        if not self.protects:
            return Caller("anonymous", frozenset(ROLES))
        header = request.headers.get("authorization", "")
        bearer = header[7:].strip() if header[:7].lower() == "bearer " else ""
        secret = bearer or request.headers.get("x-api-key", "")
        if not secret:
            raise Problem(
                401,
                "Authentication needed",
                "no API key was sent",
                remedy="send Authorization: Bearer KEY",
                headers=_CHALLENGE,
            )
        if self.tokens is not None and bearer.count(".") == 2:
            return self._named(self.tokens, bearer)
        # Headers are bytes that were read as Latin-1; any text can be digested.
        digest = sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
        found = None
        # Every key is compared, so that the time does not tell which matched.
        for key in self.keys:
            if compare_digest(key.digest, digest):
                found = key
        if found is None:
            raise Problem(
                401,
                "Unknown API key",
                "the key is not valid (any more)",
                remedy="ask for a new key",
                headers=_CHALLENGE,
            )
        return Caller(found.key_id, found.roles)

    def allow(self, request: Request, role: Role) -> Caller:
        """Return the caller if it has a role. Raises `Problem` 401 or 403."""
        caller = self.caller(request)
        if role not in caller.roles:
            raise Problem(
                403, "Not allowed", f"key {caller.key_id} lacks the role {role}", remedy=f"use a key with {role}"
            )
        return caller

    @staticmethod
    def _named(tokens: TokenVerifier, token: str) -> Caller:
        try:
            bearer = tokens.verify(token)
        except TokenRefused as refused:
            raise Problem(
                401, "Token refused", str(refused), remedy="ask for a new token", headers=_CHALLENGE
            ) from None
        return Caller(bearer.subject, bearer.roles)
