"""The hosts that a text leads to, written as one likes, or refused as none."""

import re
import unicodedata
from typing import Final

from greenroom.actors.social.moderation.folding import folded

HOST_CHARS_MAX: Final = 253  # of a name in the DNS; codecs of longer ones take more than a pass
LABELS_MAX: Final = 127
_DOTS: Final = str.maketrans("。．｡", "...")  # as IDNA reads them
_SPOKEN: Final = re.compile(r"[^\s<>\"'()\[\]{}|,;]+")  # what may be a link: whatever is between blanks and brackets
_HOST_ENDS: Final = re.compile(r"[/?#\\]")


def hosts_of(text: str) -> set[str]:
    """Each as it is in the DNS, and, where letters were chosen to look like others, as it is read."""
    written = {_host(one) for one in _SPOKEN.findall(text.translate(_DOTS)) if "." in one}
    found = {host_name(host) for host in written}
    found |= {host_name(folded(host)) for host in written if not host.isascii()}
    return found - {""}


def _host(link: str) -> str:
    """What stands where a host does: `http://user@HOST:80/path`, or `HOST/path`."""
    _, scheme, rest = link.partition("://")
    named = _HOST_ENDS.split((rest if scheme else link).lstrip("/\\"), maxsplit=1)[0]
    return named.rpartition("@")[2].partition(":")[0]


def host_name(host: str) -> str:
    """In ASCII, as it is in the DNS; "" for what is none there."""
    plain = unicodedata.normalize("NFKC", host.translate(_DOTS)).casefold().strip(".-_*~!")
    if not plain or "." not in plain or len(plain) > HOST_CHARS_MAX or plain.count(".") > LABELS_MAX:
        return ""
    try:
        ascii_name = plain if plain.isascii() else plain.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
    return ascii_name if all(ascii_name.split(".")) else ""


def and_above(host: str) -> list[str]:
    """The host itself, and the domains that it is below of."""
    labels = host.split(".")
    return [".".join(labels[first:]) for first in range(len(labels))]
