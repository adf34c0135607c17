"""What a view's class is called, and what an origin says."""

import pytest

from greenroom import Origin, Principal, Refused, View
from tests.actors.views.shows import Standings


def test_a_name_is_the_classs_unless_it_is_given() -> None:
    class OpenHTTPRooms(View):
        pass

    class Other(View, name="given", version=3):
        pass

    class Said(View):
        name = "said"

    assert (OpenHTTPRooms.name, OpenHTTPRooms.version) == ("open_http_rooms", 1)
    assert (Other.name, Other.version) == ("given", 3)
    assert Said.name == "said"


@pytest.mark.parametrize(
    ("info", "user"),
    [(None, ""), (b'{"user":"ann","client":"1"}', "ann"), (b'{"client":"1"}', ""), (b'{"user":7}', "")],
)
def test_an_origin_says_who_caused_the_event(info: bytes | None, user: str) -> None:
    origin = Origin("show:a:b", 1, 5, info)
    assert (origin.kind, origin.key, origin.user) == ("show", "a:b", user)


def test_a_view_is_closed_unless_it_says_otherwise() -> None:
    class Closed(View):
        pass

    ann = Principal(user="ann")
    with pytest.raises(Refused, match=r"view\.closed"):
        Closed.may_watch(ann, "finale")
    Standings.may_watch(ann, "finale")
