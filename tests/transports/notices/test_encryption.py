"""Messages that a browser reads, and nobody else."""

import time

import jwt
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec

from greenroom.transports.notices.encryption import (
    PLAIN_MAX,
    authorization,
    decoded,
    encoded,
    encrypted,
    public_of,
    vapid_key,
)
from tests.transports.notices.receivers import Browser, bytes_of

# RFC 8291, section 5 and appendix A.
PLAIN = b"When I grow up, I want to be a watermelon"
OURS = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
THEIRS = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
P256DH = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH, SALT = "BTBZMqHH6r4Tts7J_aSIgg", "DGv6ra1nlYgDCS1FRnbzlw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
    "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_as_the_standard_has_it() -> None:
    assert encoded(encrypted(PLAIN, P256DH, AUTH, ours=vapid_key(OURS), salt=decoded(SALT))) == BODY
    browser = Browser(int.from_bytes(bytes_of(THEIRS), "big"), bytes_of(AUTH))
    assert browser.p256dh == P256DH and browser.read(bytes_of(BODY)) == PLAIN


def test_a_browser_reads_it_and_another_does_not() -> None:
    browser = Browser()
    for plain in (b"", b"x", b"\0", b"x" * PLAIN_MAX):
        body = encrypted(plain, browser.p256dh, browser.auth)
        assert len(body) <= 4_096 and browser.read(body) == plain
    with pytest.raises(InvalidTag):
        Browser().read(encrypted(b"x", browser.p256dh, browser.auth))
    assert encrypted(b"x", browser.p256dh, browser.auth)[:86] != encrypted(b"x", browser.p256dh, browser.auth)[:86]


def test_keys_that_are_none_and_messages_that_are_too_long() -> None:
    browser = Browser()
    for p256dh in ("A" * 87, "B" + "A" * 86, ""):
        with pytest.raises(ValueError):
            encrypted(b"x", p256dh, browser.auth)
    with pytest.raises(ValueError, match="at most"):
        encrypted(b"x" * (PLAIN_MAX + 1), browser.p256dh, browser.auth)


def test_who_sends_it_is_signed_for_that_service_alone() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    header = authorization("https://push.example.org:8443/a/b?c", key, "mailto:ops@example.org", time.time())
    scheme, _, rest = header.partition(" ")
    parts = dict(part.split("=", 1) for part in rest.split(", "))
    assert scheme == "vapid" and parts["k"] == encoded(public_of(key))
    claims = jwt.decode(parts["t"], key.public_key(), algorithms=["ES256"], audience="https://push.example.org:8443")
    assert claims["sub"] == "mailto:ops@example.org" and claims["exp"] <= time.time() + 86_400
