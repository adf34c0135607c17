import pytest

from greenroom.transports.auth.http_principal import http_identity, http_principal
from greenroom.transports.auth.tokens import TokenConfig, TokenVerifier
from greenroom.transports.errors import TokenHasExpired, Unauthenticated
from tests.transports.world import SECRET, token

NOW = 1_800_000_000
VERIFIER = TokenVerifier(TokenConfig(secret=SECRET), lambda: NOW)


def test_a_bearer_token_says_who_it_is() -> None:
    made = token(sub="ann", roles=["admin"], iat=NOW - 5, exp=NOW + 60)
    for scheme in ("Bearer", "bearer", "BEARER"):
        identity = http_identity({b"authorization": f"{scheme} {made}".encode()}, VERIFIER, anonymous=False)
        who = identity.principal
        assert (who.user, who.roles, who.issued_at, who.client) == ("ann", frozenset({"admin"}), NOW - 5 + 0.999, "")
        assert (who.info, identity.expires_at) == (b'{"user":"ann","client":""}', NOW + 60)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer rubbish",
        b"Basic YTpi",
        b"Bearer \xff\xfe",
        b"Bearer " + token(sub="ann", channel="note:a").encode(),
        b"Bearer " + token(b"another secret that is long enough...", sub="ann").encode(),
        b"Bearer " + b"a" * 10_000,
    ],
)
@pytest.mark.parametrize("anonymous", [False, True])
def test_a_bad_header_is_never_taken_for_nobody(header: bytes, anonymous: bool) -> None:
    with pytest.raises(Unauthenticated) as caught:
        http_principal({b"authorization": header}, VERIFIER, anonymous=anonymous)
    assert caught.value.status == 401
    assert "." not in header.decode("latin-1") or header.decode("latin-1").split(".")[-1] not in str(caught.value)


def test_an_expired_token_says_so_by_its_name() -> None:
    header = {b"authorization": b"Bearer " + token(sub="ann", exp=NOW - 1).encode()}
    with pytest.raises(TokenHasExpired) as caught:
        http_principal(header, VERIFIER, anonymous=True)
    assert (caught.value.name, caught.value.status) == ("token_expired", 401)


def test_nobody_is_let_in_only_where_the_anonymous_are() -> None:
    for headers in ({}, {b"x-greenroom-user": b"ann"}, {b"authorization": b"Bearer " + token().encode()}):
        with pytest.raises(Unauthenticated):
            http_principal(headers, VERIFIER, anonymous=False)
    assert http_principal({}, None, anonymous=True).user == ""
    assert http_principal({b"x-greenroom-user": b""}, None, anonymous=True).user == ""
    assert http_principal({b"x-greenroom-user": "Änne".encode()}, None, anonymous=True).user == "Änne"


def test_who_only_looks_may_be_nobody_where_the_anonymous_watch() -> None:
    for headers in ({}, {b"authorization": b"Bearer " + token().encode()}):
        assert http_principal(headers, VERIFIER, anonymous=False, watches=True).user == ""
    for headers in ({b"x-greenroom-user": b"ann"}, {b"authorization": b"Bearer x"}):
        with pytest.raises(Unauthenticated):
            http_principal(headers, VERIFIER, anonymous=False, watches=True)


@pytest.mark.parametrize(
    "user", [b"\xff", b"a" * 256, "я".encode() * 200, b"a\xc2\x85b", b"a\x7fb", b"anonymous", b"system"]
)
def test_a_name_that_cannot_be_one(user: bytes) -> None:
    with pytest.raises(Unauthenticated, match=r"X-Greenroom-User"):
        http_principal({b"x-greenroom-user": user}, None, anonymous=True)
    assert http_principal({b"x-greenroom-user": b"a" * 255}, None, anonymous=True).user == "a" * 255


def test_a_token_where_none_can_be_checked() -> None:
    with pytest.raises(Unauthenticated):
        http_principal({b"authorization": b"Bearer x"}, None, anonymous=True)
