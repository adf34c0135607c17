"""Origins and names of hosts, compared as what they name."""

import pytest

from greenroom.transports.http.origins import NAME_BYTES_MAX, NAMES_MAX, KnownHosts, _origin_allowed, origin_allowed


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "answer"),
    [
        (b"http://localhost:8000", b"localhost:8000", (), True),
        (b"https://localhost:8000", b"localhost:8000", (), True),
        (b"http://localhost:8001", b"localhost:8000", (), False),
        (b"http://evil.example", b"localhost:8000", (), False),
        (b"http://evil.example", b"localhost:8000", ("https://good.example",), False),
        (b"https://good.example", b"api.example", ("https://good.example",), True),
        (b"https://good.example.evil", b"api.example", ("https://good.example",), False),
        (b"http://good.example", b"api.example", ("https://good.example",), False),
        (b"https://any.example", b"api.example", ("*",), True),
        (b"null", b"api.example", (), False),
        (b"null", b"", (), False),
        (b"", b"", (), False),
        (b"http://[", b"[", (), False),
        (b"http://\xff", b"\xfe", (), False),
        # A port that goes without saying.
        (b"https://chat.example.org", b"chat.example.org:443", (), True),
        (b"http://chat.example.org", b"chat.example.org:80", (), True),
        (b"https://chat.example.org", b"chat.example.org:8443", (), False),
        (b"https://chat.example.org:8443", b"chat.example.org:8443", (), True),
        (b"http://chat.example.org", b"chat.example.org:443", (), False),
        (b"https://Chat.Example.org", b"chat.example.ORG", (), True),
        (b"https://chat.example.org:443", b"api.example", ("https://chat.example.org",), True),
        (b"http://[::1]:8000", b"[::1]:8000", (), True),
        # Subdomains, of any depth, and not the domain itself.
        (b"https://a.example.org", b"api.example", ("https://*.example.org",), True),
        (b"https://a.b.example.org", b"api.example", ("https://*.example.org",), True),
        (b"https://example.org", b"api.example", ("https://*.example.org",), False),
        (b"https://evilexample.org", b"api.example", ("https://*.example.org",), False),
        (b"http://a.example.org", b"api.example", ("https://*.example.org",), False),
        (b"https://a.example.org:8443", b"api.example", ("https://*.example.org",), False),
        # Pages inside apps.
        (b"capacitor://localhost", b"api.example", ("capacitor://localhost",), True),
        (b"ionic://localhost", b"api.example", ("capacitor://localhost",), False),
        (b"capacitor://localhost", b"localhost", (), False),
    ],
)
def test_which_pages_may_speak_to_us(origin: bytes, host: bytes, allowed: tuple[str, ...], answer: bool) -> None:
    assert origin_allowed(origin, host, allowed) is answer


@pytest.mark.parametrize(
    ("proto", "answer"), [(b"https", True), (b"wss", True), (b"HTTPS, http", True), (b"http", False), (b"", False)]
)
def test_a_proxy_that_says_the_scheme_is_believed(proto: bytes, answer: bool) -> None:
    """A page of the same name without TLS may be anybody's who stands in between."""
    assert origin_allowed(b"https://chat.example.org", b"chat.example.org", (), proto) is answer


@pytest.mark.parametrize(
    ("host", "known"),
    [
        (b"localhost:8000", True),
        (b"app.localhost:8000", True),
        (b"127.0.0.1:8000", True),
        (b"127.9.9.9", True),
        (b"[::1]:8000", True),
        (b"LOCALHOST", True),
        (b"greenroom:8000", True),
        (b"", True),
        (b"chat.example.org", True),
        (b"a.apps.example.org:8000", True),
        (b"evil.example", False),
        (b"localhost.evil.example", False),
        (b"127.0.0.1.evil.example", False),
        (b"192.168.1.7:8000", False),
        (b"localhost@evil.example", False),
        (b"[", False),
    ],
)
def test_a_node_on_loopback_is_reached_by_names_of_loopback_and_of_allowed_origins(host: bytes, known: bool) -> None:
    hosts = KnownHosts("127.0.0.1", ("https://chat.example.org", "https://*.apps.example.org"))
    assert hosts.knows(host) is known


@pytest.mark.parametrize("configured", ["0.0.0.0", "box.lan"])
def test_on_a_network_any_address_and_the_configured_name_are_known_other_names_are_not(configured: str) -> None:
    hosts = KnownHosts(configured, ())
    assert hosts.knows(b"192.168.1.7:8000") and hosts.knows(b"localhost") and hosts.knows(configured.encode())
    assert not hosts.knows(b"evil.example")


def test_with_every_page_allowed_every_name_is() -> None:
    assert KnownHosts("127.0.0.1", ("*",)).knows(b"evil.example")


@pytest.mark.bound("names that requests have asked for the node by, and origins they came from")
def test_names_are_remembered_within_a_bound_and_long_ones_not_at_all() -> None:
    """Whoever asks chooses them."""
    hosts = KnownHosts("localhost", ())
    for number in range(NAMES_MAX + 1):
        hosts.knows(b"a%d.example" % number)
        origin_allowed(b"http://a%d.example" % number, b"b.example", ())
    for info in (hosts._remembered.cache_info(), _origin_allowed.cache_info()):
        assert info.currsize == info.maxsize == NAMES_MAX
    long = b"a" * NAME_BYTES_MAX
    before = _origin_allowed.cache_info().misses, hosts._remembered.cache_info().misses
    assert not hosts.knows(long + b"a")
    assert not origin_allowed(b"http://" + long, long, ())
    assert not origin_allowed(b"http://a", b"a", (), long + b"a")
    assert before == (_origin_allowed.cache_info().misses, hosts._remembered.cache_info().misses)
    assert hosts.knows(long), "nobody owns a name without a dot"
