"""Tokens: what is believed, what is refused, and that no refusal quotes the token."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from greenroom.config.bounds import TOKEN_BYTES_MAX
from greenroom.transports.auth.signer import TokenSigner
from greenroom.transports.auth.tokens import (
    REMEMBERED_BYTES_MAX,
    REMEMBERED_MAX,
    ChannelOptions,
    Flag,
    Override,
    TokenConfig,
    TokenError,
    TokenExpired,
    TokenInvalid,
    TokenVerifier,
)

NOW = 1_800_000_000.7
SECRET = b"a secret of more than thirty-two bytes"
ED = ed25519.Ed25519PrivateKey.generate()
ED_NEXT = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any) -> str:
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


def jwk(key: Any, **fields: str) -> dict[str, Any]:
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else OKPAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), **fields}


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def verifier(**config: Any) -> TokenVerifier:
    return TokenVerifier(TokenConfig(**(config or {"secret": SECRET})), lambda: NOW)


def signed(key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **claims: Any) -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def raw(header: bytes, payload: bytes, signature: bytes = b"") -> str:
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, payload, signature)).decode()


def test_every_claim_of_a_connection_token_is_read() -> None:
    claims = verifier().verify_connection(
        signed(
            sub="42",
            exp=1_800_000_100,
            iat=1_799_999_999,
            nbf=1_799_999_999,
            jti="x",
            info={"name": "Ann\nB"},
            channels=["news", "room:9"],
            meta={"plan": "pro"},
            roles=["moderator", "staff"],
            something_new=[1],
        )
    )
    assert (claims.user, claims.expires_at, claims.issued_at) == ("42", 1_800_000_100, 1_799_999_999.999)
    assert claims.roles == {"moderator", "staff"}
    assert claims.info == b'{"name":"Ann\\nB"}'
    assert list(claims.subs) == ["news", "room:9"]
    assert claims.meta == b'{"plan":"pro"}'


def test_a_token_without_claims_is_an_anonymous_user_for_ever() -> None:
    claims = verifier().verify_connection(signed(iat=1))
    assert (claims.user, claims.expires_at, claims.roles, claims.info, claims.subs) == ("", None, frozenset(), None, {})


def test_subs_have_options_and_win_over_channels() -> None:
    options = {"b64info": base64.b64encode(b'{"role":\n"host"}').decode(), "override": {"presence": {"value": True}}}
    claims = verifier().verify_connection(signed(sub="42", channels=["news"], subs={"room:9": options, "a": {}}))
    assert claims.subs == {
        "room:9": ChannelOptions(info=b'{"role":"host"}', override=Override(presence=Flag(value=True))),
        "a": ChannelOptions(),
    }


def test_embedded_json_never_holds_a_newline_byte() -> None:
    payload = b'{"sub":"42","info":{\n "a" :\r\n 1}}'
    token = jwt.PyJWS().encode(payload, SECRET, algorithm="HS256")
    assert verifier().verify_connection(token).info == b'{"a":1}'


@pytest.mark.parametrize(
    ("claims", "expires_at"),
    [
        ({}, None),
        ({"exp": 1_800_000_001}, 1_800_000_001),
        ({"exp": 1_800_000_000.5}, 1_800_000_001),  # a ttl is at least one second
        ({"exp": 1_800_000_001, "expire_at": 0}, None),
        ({"exp": 1_800_000_001, "expire_at": 1_900_000_000}, 1_900_000_000),
        ({"expire_at": 1_900_000_000}, 1_900_000_000),
        ({"nbf": 1_800_000_000}, None),
    ],
)
def test_when_the_connection_ends(claims: dict[str, Any], expires_at: int | None) -> None:
    assert verifier().verify_connection(signed(**claims)).expires_at == expires_at


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1_800_000_000},  # the very second: too late
        {"exp": 1},
        {"exp": 1, "expire_at": 0},
        {"expire_at": 1_700_000_000},
        {"nbf": 1_800_000_001},
    ],
)
def test_out_of_time_is_expired_not_invalid(claims: dict[str, Any]) -> None:
    with pytest.raises(TokenExpired):
        verifier().verify_connection(signed(**claims))


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": 42},
        {"sub": None},
        {"sub": "a" * 256},
        {"sub": "a\nb"},
        {"sub": "a\x85b"},
        {"sub": "anonymous"},
        {"sub": "system"},
        {"exp": "1900000000"},
        {"exp": True},
        {"exp": -1},
        {"exp": 10**30},
        {"iat": "now"},
        {"nbf": []},
        {"jti": 1},
        {"roles": "admin"},
        {"roles": [1]},
        {"roles": [""]},
        {"channels": "news"},
        {"channels": [""]},
        {"channels": ["c"] * 129},
        {"subs": ["a"]},
        {"subs": {"a": {"override": {"presence": True}}}},
        {"subs": {"": {}}},
        {"b64info": "!"},
        {"b64info": base64.b64encode(b"\xff").decode()},
        {"b64info": base64.b64encode(b"no json").decode()},
        {"meta": [1]},
        {"channel": "news"},  # a subscription token
        {"channel": ""},
        {"channel": None},
    ],
)
def test_claims_of_wrong_types_are_invalid(claims: dict[str, Any]) -> None:
    token = jwt.PyJWS().encode(json.dumps(claims).encode(), SECRET, algorithm="HS256")
    with pytest.raises(TokenInvalid):
        verifier().verify_connection(token)


def test_a_number_that_no_float_holds_is_invalid() -> None:
    for payload in (b'{"exp":1e999}', b'{"info":1e999}', b'{"exp":' + b"9" * 4400 + b"}"):
        with pytest.raises(TokenInvalid):
            verifier().verify_connection(jwt.PyJWS().encode(payload, SECRET, algorithm="HS256"))


def test_issuer_and_audience_are_checked_when_set() -> None:
    strict = verifier(secret=SECRET, issuer="us", audience="greenroom")
    assert strict.verify_connection(signed(sub="42", iss="us", aud="greenroom")).user == "42"
    assert strict.verify_connection(signed(sub="42", iss="us", aud=["x", "greenroom"])).user == "42"
    for claims in ({}, {"iss": "us"}, {"iss": "them", "aud": "greenroom"}, {"iss": "us", "aud": ["x"]}):
        with pytest.raises(TokenInvalid):
            strict.verify_connection(signed(sub="42", **claims))


def test_subscription_token() -> None:
    check = verifier()
    claims = check.verify_subscription(
        signed(sub="42", channel="$secret:7", exp=1_800_000_060, info={"role": "admin"}, data={"x": 1}, client="c1")
    )
    assert (claims.user, claims.channel, claims.client, claims.expires_at) == ("42", "$secret:7", "c1", 1_800_000_060)
    assert (claims.info, claims.data, claims.override) == (b'{"role":"admin"}', b'{"x":1}', Override())
    with pytest.raises(TokenInvalid):
        check.verify_subscription(signed(sub="42"))
    with pytest.raises(TokenInvalid):
        check.verify_subscription(signed(sub="42", channel=""))
    with pytest.raises(TokenExpired):
        check.verify_subscription(signed(sub="42", channel="a", exp=5))


# ---- forgeries


def test_forged_and_altered_tokens_are_invalid() -> None:
    check = verifier()
    token = signed(sub="42")
    head, body, signature = token.split(".")
    root = base64.urlsafe_b64encode(b'{"sub":"root"}').rstrip(b"=").decode()
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    for bad in (
        signed(b"another secret of more than thirty-two bytes", sub="42"),
        f"{head}.{root}.{signature}",
        f"{head}.{body}.{flipped}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{token}.{signature}",
        signed(SECRET, "HS512", sub="42"),
        raw(b'{"alg":"none"}', b'{"sub":"42"}'),
        raw(b'{"alg":"NONE","typ":"JWT"}', b'{"sub":"42"}'),
        raw(b'{"alg":1}', b"{}"),
        raw(b"[]", b"{}"),
        raw(b"\xff", b"\xff"),
        "",
        ".",
        "..",
        "é.é.é",
        "not a token",
    ):
        with pytest.raises(TokenInvalid):
            check.verify_connection(bad)


@pytest.mark.parametrize("private", [ED, RSA], ids=["ed25519", "rsa"])
def test_a_public_key_is_never_taken_for_a_secret(private: Any) -> None:
    """The classic confusion: HS256, signed with the public key, which everybody may know."""
    public = pem(private)
    algorithm = "RS256" if private is RSA else "EdDSA"
    jws = jwt.PyJWS()
    jws._algorithms["HS256"].prepare_key = lambda key: key  # type: ignore[method-assign]  # PyJWT won't forge for us
    forged = jws.encode(b'{"sub":"root"}', public.encode(), algorithm="HS256")
    for check in (verifier(public_key=public), verifier(jwks=jwks(jwk(private, kid="a"))), verifier()):
        with pytest.raises(TokenInvalid):
            check.verify_connection(forged)
    assert verifier(public_key=public).verify_connection(signed(private, algorithm, sub="42")).user == "42"
    with pytest.raises(TokenInvalid):  # and the other way around
        verifier().verify_connection(signed(private, algorithm, sub="42"))


def test_each_key_is_for_its_own_algorithm() -> None:
    for bad in (signed(RSA, "RS512", sub="42"), signed(RSA, "PS256", sub="42"), signed(ED, "EdDSA", sub="42")):
        with pytest.raises(TokenInvalid):
            verifier(public_key=pem(RSA)).verify_connection(bad)


def test_key_sets_rotate_by_kid() -> None:
    check = verifier(jwks=jwks(jwk(ED, kid="old")))
    old, new = signed(ED, "EdDSA", "old", sub="42"), signed(ED_NEXT, "EdDSA", "new", sub="42")
    assert check.verify_connection(old).user == "42"
    assert check.verify_connection(signed(ED, "EdDSA", sub="42")).user == "42"  # no kid, but only one key
    with pytest.raises(TokenInvalid):
        check.verify_connection(new)

    check.replace_jwks(jwks(jwk(ED, kid="old"), jwk(ED_NEXT, kid="new"), jwk(RSA, kid="rsa")))
    for token in (old, new, signed(RSA, "RS256", "rsa", sub="42")):
        assert check.verify_connection(token).user == "42"
    for bad in (
        signed(ED, "EdDSA", sub="42"),  # which key?
        signed(ED, "EdDSA", "new", sub="42"),  # the other key's name
        signed(ED, "EdDSA", "rsa", sub="42"),
    ):
        with pytest.raises(TokenInvalid):
            check.verify_connection(bad)

    check.replace_jwks(jwks(jwk(ED_NEXT, kid="new")))
    assert check.verify_connection(new).user == "42"
    with pytest.raises(TokenInvalid):
        check.verify_connection(old)
    with pytest.raises(ValueError, match="no EdDSA or RS256"):
        check.replace_jwks(jwks())
    assert check.verify_connection(new).user == "42"  # the set before stays


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"secret": b""},
        {"secret": SECRET, "public_key": pem(ED)},
        {"public_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"},
        {"public_key": pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))},
        {"jwks": b"{}"},
        {"jwks": b"["},
        {"jwks": jwks({"kty": "oct", "k": "c2VjcmV0", "kid": "a"})},
        {"jwks": jwks(json.loads(OKPAlgorithm.to_jwk(ED)))},  # the private key
        {"jwks": jwks(jwk(ED, kid="a"), jwk(ED_NEXT, kid="a"))},
        {"jwks": jwks(jwk(ED, use="enc"))},
    ],
)
def test_unusable_keys_stop_the_start(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        TokenVerifier(TokenConfig(**config), lambda: NOW)


# ---- bounds and secrecy


@pytest.mark.bound("a token")
def test_huge_tokens_are_refused_before_they_are_parsed() -> None:
    check = verifier()
    fits = signed(sub="42", info="x" * (TOKEN_BYTES_MAX * 3 // 4 - 200))
    assert len(fits) <= TOKEN_BYTES_MAX
    assert check.verify_connection(fits).user == "42"
    with pytest.raises(TokenInvalid, match="too long"):
        check.verify_connection(signed(sub="42", info="x" * TOKEN_BYTES_MAX))
    with pytest.raises(TokenInvalid, match="too long"):
        check.verify_connection("a." * 5_000_000)


def test_deep_nesting_is_refused() -> None:
    deep = b"[" * 3_000 + b"]" * 3_000
    forged = raw(b'{"alg":"HS256","x":' + deep[:5000] + b"}", b"{}")
    genuine = jwt.PyJWS().encode(b'{"info":' + deep + b"}", SECRET, algorithm="HS256")
    for check in (verifier(), verifier(jwks=jwks(jwk(ED)))):
        for token in (forged, raw(b"[" * 4_000, b"{}"), genuine):
            with pytest.raises(TokenInvalid):
                check.verify_connection(token)


def test_no_error_quotes_the_token() -> None:
    for token in (
        signed(sub=["mallory-was-here"]),
        signed(b"x" * 32, sub="mallory-was-here"),
        signed(roles=["mallory-was-here", 1]),
        "mallory-was-here",
        signed(sub="mallory-was-here", exp=1),
        raw(b'{"alg":"mallory-was-here"}', b"{}"),
    ):
        for check in (verifier(), verifier(jwks=jwks(jwk(ED)))):
            with pytest.raises(TokenError) as caught:
                check.verify_connection(token)
            assert "mallory" not in str(caught.value)
            assert caught.value.__cause__ is None
            assert caught.value.__suppress_context__ or caught.value.__context__ is None


# ---- signing


@pytest.mark.parametrize("sub", ["я" * 200, "😀" * 64, "a" * 256, "a\x85b", "a\x7fb", "anonymous"])
def test_a_user_id_that_can_be_no_key_is_refused_where_the_token_is_checked_and_named(sub: str) -> None:
    """As bytes, since it becomes a session's key: 200 letters may be 400 of them."""
    with pytest.raises(TokenInvalid, match=r"^sub "):
        verifier().verify_connection(signed(sub=sub))
    with pytest.raises(TokenInvalid, match=r"^sub "):
        verifier().verify_subscription(signed(sub=sub, channel="room:a"))
    with pytest.raises(ValueError, match=r"sub "):
        TokenSigner(TokenConfig(secret=SECRET), lambda: NOW).connection_token(sub)
    assert verifier().verify_connection(signed(sub="я" * 127)).user == "я" * 127


def test_a_whole_second_is_any_moment_of_it_and_fractions_are_exact() -> None:
    check = verifier()
    assert check.verify_connection(signed(sub="sam", iat=1_700_000_000)).issued_at == 1_700_000_000.999
    assert check.verify_connection(signed(sub="sam", iat=1_700_000_000.2)).issued_at == 1_700_000_000.2
    assert check.verify_connection(signed(sub="sam")).issued_at == 0.0


def test_the_algorithm_that_is_set_is_the_only_one() -> None:
    keys = jwks(jwk(RSA, kid="r"), jwk(ED, kid="e"))
    eddsa, rs256 = signed(ED, "EdDSA", "e", sub="ann"), signed(RSA, "RS256", "r", sub="ann")
    both = verifier(jwks=keys)
    assert both.verify_connection(eddsa).user == both.verify_connection(rs256).user == "ann"
    only = verifier(jwks=keys, algorithm="RS256")
    assert only.verify_connection(rs256).user == "ann"
    with pytest.raises(TokenInvalid):
        only.verify_connection(eddsa)
    only.replace_jwks(jwks(jwk(RSA, kid="r"), jwk(ED_NEXT, kid="n")))
    with pytest.raises(TokenInvalid):
        only.verify_connection(signed(ED_NEXT, "EdDSA", "n", sub="ann"))
    for config in (
        {"jwks": jwks(jwk(ED)), "algorithm": "RS256"},
        {"public_key": pem(ED), "algorithm": "RS256"},
        {"secret": SECRET, "algorithm": "EdDSA"},
    ):
        with pytest.raises(ValueError, match=r"RS256|EdDSA"):
            verifier(**config)


@pytest.mark.parametrize(
    ("claim", "claims", "roles"),
    [
        ("roles", {"roles": ["admin"], "groups": ["x"]}, {"admin"}),
        ("groups", {"roles": ["admin"], "groups": ["x", "y"]}, {"x", "y"}),
        ("realm_access.roles", {"roles": ["admin"], "realm_access": {"roles": ["x"]}}, {"x"}),
        ("https://example.org/roles", {"https://example.org/roles": ["x"]}, {"x"}),
        ("realm_access.roles", {"roles": ["admin"]}, set()),
        ("realm_access.roles", {"realm_access": ["admin"]}, set()),
        ("groups", {"groups": None}, set()),
    ],
)
def test_roles_are_in_the_claim_that_is_set_and_nowhere_else(
    claim: str, claims: dict[str, Any], roles: set[str]
) -> None:
    check = verifier(secret=SECRET, roles_claim=claim)
    assert check.verify_connection(signed(sub="ann", **claims)).roles == roles


@pytest.mark.parametrize("value", ["admin", [1], [""], {"admin": True}])
def test_roles_that_are_no_list_of_names_are_refused_by_the_claims_name(value: object) -> None:
    with pytest.raises(TokenInvalid, match="groups"):
        verifier(secret=SECRET, roles_claim="groups").verify_connection(signed(sub="ann", groups=value))


def test_a_token_that_comes_again_is_checked_for_its_time_and_its_key_again() -> None:
    now = [NOW]
    check = TokenVerifier(TokenConfig(jwks=jwks(jwk(ED, kid="old"), jwk(ED_NEXT, kid="new"))), lambda: now[0])
    token = signed(ED, "EdDSA", "old", sub="ann", exp=NOW + 100, roles=["staff"])
    first = check.verify_connection(token)
    assert check.verify_connection(token) == first and first.roles == {"staff"}
    check.replace_jwks(jwks(jwk(ED_NEXT, kid="new")))
    with pytest.raises(TokenInvalid):
        check.verify_connection(token)
    check.replace_jwks(jwks(jwk(ED, kid="old")))
    assert check.verify_connection(token) == first
    now[0] = NOW + 99.6
    assert check.verify_connection(token).expires_at == int(NOW) + 101, "after now, as ever"
    now[0] = NOW + 101
    for _ in range(2):
        with pytest.raises(TokenExpired):
            check.verify_connection(token)
    now[0] = NOW
    assert check.verify_connection(token) == first


def test_a_token_that_is_not_valid_yet_is_so_later_and_a_forged_one_never() -> None:
    now = [NOW]
    check = TokenVerifier(TokenConfig(secret=SECRET), lambda: now[0])
    token = signed(sub="ann", nbf=NOW + 10)
    with pytest.raises(TokenExpired):
        check.verify_connection(token)
    now[0] = NOW + 11
    assert check.verify_connection(token).user == "ann"
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    for _ in range(2):
        with pytest.raises(TokenInvalid):
            check.verify_connection(forged)


@pytest.mark.bound("tokens that have been found genuine")
def test_what_is_remembered_of_tokens_is_bounded() -> None:
    check = TokenVerifier(TokenConfig(secret=SECRET), lambda: NOW)
    check.verify_connection(signed(sub="ann", info="x" * REMEMBERED_BYTES_MAX))
    assert not check._genuine
    claims = check.verify_connection(signed(sub="ann"))
    known = check._genuine.popitem()[1]
    check._genuine.update({str(number): known for number in range(REMEMBERED_MAX)})
    assert check.verify_connection(signed(sub="ann")) == claims
    assert len(check._genuine) == 1
