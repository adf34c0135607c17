"""Whether one user has room for more."""

import pytest
from msgspec.structs import replace

from greenroom import Refused
from greenroom.actors.media import uploads
from greenroom.actors.media.messages import Begin, Clear, Delete, Reserve, Settle
from greenroom.actors.media.uploads import Uploads
from greenroom.testing import Kit
from tests.actors.media.edge import ask


def kit() -> Kit[Uploads]:
    return Kit(Uploads, key="ann")


def reserve(kit: Kit[Uploads], media: str, size: int = 10, *, made_max: int = 0, user: str = "ann") -> None:
    wanted = Reserve(media=media, size=size, made_max=made_max, unfinished_s=60.0, uploads_max=2, bytes_max=100)
    ask(kit, replace(wanted, name="a.jpg"), user=user)


def test_an_upload_is_begun_with_the_room_for_it() -> None:
    one = kit()
    reserve(one, "a")
    (told,) = one.told
    assert told.entity == "media:a" and told.durable
    assert told.message == Begin(owner="ann", size=10, made_max=0, unfinished_s=60.0, name="a.jpg")
    reserve(one, "a")
    assert len(one.told) == 1, "again is no harm"
    with pytest.raises(Refused, match=r"uploads\.not_yours"):
        reserve(one, "b", user="bob")
    one.restart()
    one.restart(from_snapshot=True)


@pytest.mark.bound("unfinished uploads of one user")
def test_a_user_has_so_many_unfinished_and_no_more() -> None:
    one = kit()
    reserve(one, "a")
    reserve(one, "b")
    with pytest.raises(Refused, match=r"uploads\.too_many") as refused:
        reserve(one, "c")
    assert refused.value.status == 429
    one.tell(Settle(media="a", size=30))
    reserve(one, "c")


@pytest.mark.bound("bytes of one user's media")
def test_a_user_has_so_many_bytes_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    one = kit()
    reserve(one, "a", 60)
    with pytest.raises(Refused, match=r"uploads\.full") as refused:
        reserve(one, "b", 41)
    assert refused.value.status == 413
    one.tell(Settle(media="a", size=0))
    assert one.view() == {"bytes": 0, "media": {}}
    with pytest.raises(Refused, match=r"uploads\.full"):
        reserve(one, "b", 60, made_max=41)
    reserve(one, "b", 60, made_max=40)
    assert one.view()["bytes"] == 100, "what may yet be made of it counts until it is known"
    one.tell(Settle(media="b", size=90))
    with pytest.raises(Refused, match=r"uploads\.full"):
        reserve(one, "c", 11)
    reserve(one, "c", 10)
    assert one.view()["media"]["b"] == {"size": 90, "unfinished": False, "name": "a.jpg"}
    one.tell(Settle(media="c", size=0))
    monkeypatch.setattr(uploads, "MEDIA_MAX", 1)
    with pytest.raises(Refused, match=r"uploads\.full"):
        reserve(one, "c", 1)


def test_all_of_it_is_deleted_at_once_by_its_user_and_by_staff() -> None:
    one = kit()
    reserve(one, "a")
    one.ask(Clear(), user="ann")
    one.ask(Clear(), user="ops", roles=("service",))
    assert [told.message for told in one.told if told.entity == "media:a"][1:] == [Delete(), Delete()]
    with pytest.raises(Refused, match=r"uploads\.not_yours"):
        one.ask(Clear(), user="bob")
    with pytest.raises(Refused, match=r"uploads\.not_yours"):
        one.watch(user="bob")
