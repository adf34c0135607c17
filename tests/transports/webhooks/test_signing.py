"""The signature, held against one that is computed otherwise, and against the example of the specification."""

import base64
import hashlib

import pytest

from greenroom.transports.webhooks.signing import id_of, keys_of, signed

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of the specification's example, as is what is signed


def by_hand(key: bytes, content: bytes) -> str:
    """HMAC as RFC 2104 writes it."""
    key = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(one ^ 0x36 for one in key) + content).digest()
    return base64.b64encode(hashlib.sha256(bytes(one ^ 0x5C for one in key) + inner).digest()).decode()


def test_the_specifications_example() -> None:
    body = b'{"test": 2432232314}'
    headers = dict(signed("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, keys_of(SECRET)))
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_two_secrets_sign_both() -> None:
    other = "whsec_" + base64.b64encode(b"x" * 24).decode()
    headers = dict(signed("msg_1", 5, b"{}", keys_of(f"{SECRET} {other}")))
    content = b"msg_1.5.{}"
    expected = [f"v1,{by_hand(key, content)}" for key in (base64.b64decode(SECRET[6:]), b"x" * 24)]
    assert headers["webhook-signature"].split(" ") == expected


def test_the_id_is_that_of_the_events() -> None:
    one = id_of("far", [("show:a", "e", 1), ("show:a", "e", 2)])
    assert one == id_of("far", [("show:a", "e", 1), ("show:a", "e", 2)])
    others = {
        id_of("other", [("show:a", "e", 1)]),
        id_of("far", [("show:a", "e", 1)]),
        id_of("far", [("show:a", "f", 1)]),
    }
    assert len(others | {one}) == 4


def test_a_secret_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="base64"):
        keys_of("whsec_%")
