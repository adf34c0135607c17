"""What addresses must look like, and who is behind them."""

import pytest

from greenroom.actors.inbox.deliveries.addresses import mail_provider, web_provider
from greenroom.actors.model.errors import Refused


def test_the_provider_is_the_domain_or_the_host() -> None:
    assert mail_provider("ann.b+c@Mail.Example.org") == "mail mail.example.org"
    assert web_provider("https://FCM.example.org:8443/a?b=c") == "fcm.example.org"
    assert web_provider("http://[::1]/x") == "::1"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "ann@",
        "@example.org",
        "ann@localhost",
        "ann@example.org\r\nBcc: eve@example.org",
        "ann@example.org\n",
        "ann bob@example.org",
        "<ann@example.org>",
        '"ann"@example.org',
        "ann@example.org,eve@example.org",
        "ann@exa_mple.org",
        "ann@-example.org",
        "ann@example..org",
        "änn@example.org",
        "a" * 65 + "@example.org",
        "ann@" + "a" * 64 + ".org",
    ],
)
def test_what_is_no_address_of_mail(address: str) -> None:
    with pytest.raises(Refused, match=r"inbox\.bad_address"):
        mail_provider(address)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://ann:secret@example.org/",
        "https://example.org/\r\nHost: other",
        "https://example.org/ä",
        "https://example.org:99999/",
        "https://example.org:x/",
        "https://[::1/",
        "https://example.org/#part",
    ],
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(Refused, match=r"inbox\.bad_address"):
        web_provider(url)
