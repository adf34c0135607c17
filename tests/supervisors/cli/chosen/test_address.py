"""Where a server is reached from its own machine."""

import pytest

from greenroom.config.settings import load_settings
from greenroom.supervisors.cli.chosen.address import checked_url, is_foreign, is_in_the_clear, server_url
from greenroom.supervisors.cli.terminal.plainly import Trouble

pytestmark = pytest.mark.usefixtures("clean_surroundings")


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:8000/"),
        ("0.0.0.0", None, "http://127.0.0.1:8000/"),
        ("::", None, "http://127.0.0.1:8000/"),
        ("::1", 9000, "http://[::1]:9000/"),
        ("chat.lan", 9000, "http://chat.lan:9000/"),
    ],
)
def test_where_a_server_is_reached(host: str, port: int | None, url: str) -> None:
    assert server_url(load_settings(host=host, local_on_network=True), port=port) == url


@pytest.mark.parametrize("url", ["https://example.org", "http://127.0.0.1:8000/below/", "http://[::1]:8000"])
def test_a_url_is_taken_as_it_is_given(url: str) -> None:
    assert checked_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "example.org", "example.org:8000", "", "ftp://example.org", "https://", "https://a b", "https://a:x", "http://[",
        "https://example.org/\n", "https://example.org?x=1", "https://ann:secret@example.org",
    ],
)  # fmt: skip
def test_what_is_no_url_of_a_server_is_said_so(url: str) -> None:
    with pytest.raises(Trouble, match="--server") as refused:
        checked_url(url)
    assert refused.value.status == 2 and "secret" not in str(refused.value)


def test_who_is_between_reads_http_to_another_host() -> None:
    assert is_in_the_clear("http://example.org/") and is_in_the_clear("http://10.0.0.1:80")
    assert not any(map(is_in_the_clear, ("https://example.org", "http://127.0.0.1:8000", "http://localhost")))


def test_what_we_sign_is_for_the_server_of_our_settings() -> None:
    assert is_foreign("https://example.org") and is_foreign("http://10.0.0.1:80")
    assert not any(map(is_foreign, (None, "http://127.0.0.1:8000", "http://localhost")))
