"""Links that anybody may use who has them, for a while."""

from urllib.parse import parse_qs, urlsplit

import pytest

from greenroom import Refused
from greenroom.transports.media.links import Links

LINKS = Links(b"a secret")


def check(links: Links, url: str, *, media: str = "m", name: str = "thumb", now: float = 999.0) -> int:
    query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    return links.check(media, name, expires=query["expires"], signature=query["signature"], now=now)


def test_a_link_is_good_for_what_it_names_until_its_time_is_over() -> None:
    url = LINKS.signed("m", "thumb", 1_000)
    assert url.startswith("/media/m/thumb?") and check(LINKS, url) == 1
    with pytest.raises(Refused, match=r"media\.link_expired"):
        check(LINKS, url, now=1_000.0)
    for wrong in ({"media": "n"}, {"name": "original"}):
        with pytest.raises(Refused, match=r"media\.link:"):
            check(LINKS, url, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [("1000", "2000"), ("1000", "\u0661"), ("1000", "-1"), ("1000", "9" * 13)])
def test_a_link_whose_time_was_changed_is_none(change: tuple[str, str]) -> None:
    with pytest.raises(Refused, match=r"media\.link:"):
        check(LINKS, LINKS.signed("m", "thumb", 1_000).replace(*change))


def test_a_link_of_another_key_or_cut_off_is_none() -> None:
    url = LINKS.signed("m", "thumb", 1_000)
    for wrong in (Links(b"another").signed("m", "thumb", 1_000), url[:-1], url + "0", url[:-64] + "\u00e9"):
        with pytest.raises(Refused, match=r"media\.link:"):
            check(LINKS, wrong)


def test_what_is_made_of_the_secret_is_not_the_secret() -> None:
    assert LINKS._key != b"a secret" and len(LINKS._key) == 32
