"""What an operator may write for single values, and what is made of it."""

import pytest

from greenroom.config.settings import load_settings


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://chat.example.org:443", "https://chat.example.org"),
        ("http://chat.example.org:80/", "http://chat.example.org"),
        ("https://chat.example.org:8443", "https://chat.example.org:8443"),
        ("https://*.Example.org", "https://*.example.org"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("app://-", "app://-"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(given: str, kept: str) -> None:
    assert load_settings(allowed_origins=given).allowed_origins == (kept,)
