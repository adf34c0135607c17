import ssl

import pytest

from greenroom.transports.bus.redis.address import Address, RedisTarget, target_of


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("redis://cache", RedisTarget(addresses=(Address("cache", 6379),))),
        ("redis://", RedisTarget(addresses=(Address("localhost", 6379),))),
        ("redis://:se%2Fcret@cache:7/2", RedisTarget(addresses=(Address("cache", 7),), password="se/cret", db=2)),
        (
            "redis://ann:x@[::1]:7?client_name=green&db=3",
            RedisTarget(addresses=(Address("::1", 7),), username="ann", password="x", db=3, client_name="green"),
        ),
        ("redis://[::1]", RedisTarget(addresses=(Address("::1", 6379),))),
        ("redis://a,b:7", RedisTarget(addresses=(Address("a", 6379), Address("b", 7)))),
        ("unix:///run/a%20b.sock?db=1", RedisTarget(addresses=(Address("/run/a b.sock"),), db=1)),
        (
            "redis://a?username=ann&password=x",
            RedisTarget(addresses=(Address("a", 6379),), username="ann", password="x"),
        ),
        (
            "rediss://a?ssl_cert_reqs=none",
            RedisTarget(addresses=(Address("a", 6379),), tls={"ssl_cert_reqs": "none"}),
        ),
        (
            "redis+sentinel://s1,s2:7/main/4",
            RedisTarget(addresses=(Address("s1", 26379), Address("s2", 7)), service="main", db=4),
        ),
        (
            "rediss+sentinel://:x@s1/main",
            RedisTarget(addresses=(Address("s1", 26379),), service="main", password="x", tls={}),
        ),
    ],
)
def test_what_a_url_says(url: str, target: RedisTarget) -> None:
    assert target_of(url) == target


def test_how_an_address_is_shown() -> None:
    assert str(Address("a", 7)) == "a:7"
    assert str(Address("/run/a.sock")) == "/run/a.sock"


def test_tls_checks_the_other_side_unless_told_otherwise() -> None:
    context = target_of("rediss://a").tls_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    context = target_of("rediss://a?ssl_check_hostname=no").tls_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, False)
    context = target_of("rediss://a?ssl_cert_reqs=optional").tls_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_OPTIONAL, False)
    context = target_of("rediss://a?ssl_cert_reqs=none").tls_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)
    with pytest.raises(OSError):
        target_of("rediss://a?ssl_ca_certs=/nowhere").tls_context()
