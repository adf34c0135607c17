"""Addresses that users give: what they must look like, and which provider is behind them. Where a name leads, and that
it is nowhere in our own network, is looked at when something is sent there."""

import re
from urllib.parse import urlsplit

from greenroom.actors.model.errors import Refused

# As HTML has it for <input type=email>, with a dot in the domain: nothing that could end a header or a command of SMTP.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAIL = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@({_LABEL}(?:\.{_LABEL})+)")
_PRINTABLE = re.compile(r"[!-~]+")


def mail_provider(address: str) -> str:
    """The domain. Raises: Refused."""
    found = _MAIL.fullmatch(address)
    if found is None:
        raise Refused("inbox.bad_address", "that is no address of mail, or none that we can send to", status=422)
    return f"mail {found[1].lower()}"[:255]


def web_provider(url: str) -> str:
    """The host. Raises: Refused."""
    bad = Refused("inbox.bad_address", "it must be https://host/path, without a user", status=422)
    if _PRINTABLE.fullmatch(url) is None:
        raise bad
    try:
        split = urlsplit(url)
        _ = split.port
    except ValueError:
        raise bad from None
    if split.scheme not in ("http", "https") or not split.hostname or "@" in split.netloc or split.fragment:
        raise bad
    return split.hostname[:255]
