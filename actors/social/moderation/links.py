"""The hosts that a text leads to, written as one likes, or refused as none.

A host is a run of letters, digits, hyphens and dots, whatever stands around it: what browsers, mail and other pages
take for the beginning and the end of a link differs too much to be read alike.
"""

import unicodedata
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from greenroom.actors.social.moderation.folding import folded
from greenroom.actors.social.profile.scripts import LATIN, script_of
from greenroom.actors.social.profile.unseen import without_unseen

HOST_CHARS_MAX: Final = 253  # of a name in the DNS; codecs of longer ones take more than a pass
LABELS_MAX: Final = 127
_DOTS: Final = str.maketrans("。．｡", "...")  # as IDNA reads them


def hosts_of(text: str) -> set[str]:
    """Each as it is in the DNS, and, where letters were chosen to look like others, as it is read."""
    written = _runs(text)
    if "%" in text:
        written |= _runs(unquote(text))
    found = {host_name(host) for host in written}
    found |= {host_name(folded(host)) for host in written if not host.isascii()}
    return found - {""}


def _runs(text: str) -> set[str]:
    """What may be hosts. In scripts without spaces a word stands right before one in Latin letters: that, too."""
    seen = without_unseen(unicodedata.normalize("NFKC", text)).translate(_DOTS)
    if "." not in seen:
        return set()
    runs = _split("".join(one if _in_host(one) else " " for one in seen))
    if not seen.isascii():
        runs |= _split("".join(one if _in_latin_host(one) else " " for one in seen))
    return runs


def _split(text: str) -> set[str]:
    """Two dots in a row are no part of one."""
    return {run for runs in text.split() for run in runs.replace("..", " ").split() if "." in run}


@lru_cache(maxsize=4_096)
def _in_host(one: str) -> bool:
    return one in ".-_" or unicodedata.category(one)[0] in "LMN"


@lru_cache(maxsize=4_096)
def _in_latin_host(one: str) -> bool:
    return _in_host(one) and (one.isascii() or script_of(one) in (LATIN, ""))


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
