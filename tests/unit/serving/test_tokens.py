"""Tokens: who is let in, and that nobody gets in by a key of the other kind."""

import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from neural_hive_ml.errors import UsageError
from neural_hive_ml.serving.http.tokens import TokenRefused, TokenVerifier

OLD, NEW = "o" * 32, "n" * 40


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": "ana", "exp": time.time() + 60, "roles": ["score"], **more}


def pems(key: Any) -> tuple[str, str]:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


@pytest.fixture(scope="module")
def rsa_pems() -> tuple[str, str]:
    return pems(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def verifier(secrets: str = f"{OLD},{NEW}", keys: str = "", **more: str) -> TokenVerifier:
    made = TokenVerifier.from_text(secrets, keys, **more)
    assert made is not None
    return made


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_both_secrets_are_valid_while_they_rotate(secret: str) -> None:
    bearer = verifier().verify(jwt.encode(claims(), secret, "HS256"))
    assert (bearer.subject, bearer.roles) == ("ana", {"score"})


def test_public_keys_verify_what_the_private_ones_signed(rsa_pems: tuple[str, str]) -> None:
    other = pems(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    both = verifier("", rsa_pems[1] + other[1])
    for private, _ in (rsa_pems, other):
        assert both.verify(jwt.encode(claims(), private, "RS256")).subject == "ana"


def test_a_public_key_is_no_shared_secret(rsa_pems: tuple[str, str]) -> None:
    """Algorithm confusion: signed by HMAC with the text of the public key, which everybody has."""
    header = jwt.utils.base64url_encode(b'{"alg":"HS256","typ":"JWT"}')
    body = jwt.utils.base64url_encode(b'{"sub":"eve","exp":9999999999,"roles":["operate"]}')
    signed = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        header + b"." + body, rsa_pems[1].encode()
    )
    forged = b".".join((header, body, jwt.utils.base64url_encode(signed))).decode()
    for one in (verifier("", rsa_pems[1]), verifier(OLD, rsa_pems[1])):
        with pytest.raises(TokenRefused):
            one.verify(forged)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        pytest.param(lambda: jwt.encode(claims(exp=time.time() - 60), OLD, "HS256"), "expired", id="expired"),
        pytest.param(
            lambda: jwt.encode({"sub": "ana", "roles": ["score"]}, OLD, "HS256"), "exp", id="without an end"
        ),
        pytest.param(lambda: jwt.encode({"exp": time.time() + 60}, OLD, "HS256"), "sub", id="without a subject"),
        pytest.param(
            lambda: jwt.encode(claims(nbf=time.time() + 600), OLD, "HS256"), "not yet valid", id="before its time"
        ),
        pytest.param(lambda: jwt.encode(claims(), "x" * 32, "HS256"), "none of the keys", id="another's key"),
        pytest.param(
            lambda: jwt.encode(claims(), OLD * 2, "HS512"), "none of HS256, RS256", id="another algorithm"
        ),
        pytest.param(lambda: jwt.encode(claims(), "", "none"), "none of HS256, RS256", id="unsigned"),
        pytest.param(lambda: "a.b.c", "no JSON web token", id="no token"),
        pytest.param(lambda: "", "no JSON web token", id="nothing"),
    ],
)
def test_what_is_refused_says_why_and_not_what(made: Callable[[], str], why: str) -> None:
    token = made()
    with pytest.raises(TokenRefused) as refused:
        verifier().verify(token)
    assert why in str(refused.value)
    assert not token or token not in str(refused.value)


def test_issuer_and_audience_are_asked_for_where_they_are_set() -> None:
    strict = verifier(issuer="hive", audience="ml")
    assert strict.verify(jwt.encode(claims(iss="hive", aud="ml"), OLD, "HS256")).subject == "ana"
    for wrong in ({"iss": "hive"}, {"aud": "ml"}, {"iss": "x", "aud": "ml"}, {"iss": "hive", "aud": "x"}):
        with pytest.raises(TokenRefused):
            strict.verify(jwt.encode(claims(**wrong), OLD, "HS256"))


@pytest.mark.parametrize(
    ("given", "roles"),
    [
        ({"roles": "score feedback"}, {"score", "feedback"}),
        ({"roles": [], "scope": "operate"}, {"operate"}),
        ({"roles": None, "realm_access": {"roles": ["feedback"]}}, {"feedback"}),
        ({"roles": {"score": True}, "realm_access": 7}, set()),
        ({"roles": ["neural-hive-admin"]}, {"score", "feedback", "operate", "neural-hive-admin"}),
    ],
)
def test_roles_are_read_where_issuers_put_them(given: dict[str, Any], roles: set[str]) -> None:
    assert verifier().verify(jwt.encode(claims(**given), OLD, "HS256")).roles == roles


def test_keys_that_protect_nothing_are_refused_at_the_start(rsa_pems: tuple[str, str]) -> None:
    assert TokenVerifier.from_text("", "") is None
    curve = pems(ec.generate_private_key(ec.SECP256R1()))[1]
    for secrets, keys in (("short", ""), ("", "no pem"), ("", curve), ("", rsa_pems[0])):
        with pytest.raises(UsageError) as refused:
            TokenVerifier.from_text(secrets, keys)
        assert "short" not in str(refused.value)
