"""Where a server is reached from its own machine."""

import pytest

from greenroom.config.settings import load_settings
from greenroom.supervisors.cli.chosen.address import server_url

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
