"""Who somebody is."""

from collections.abc import Callable
from typing import Any

import pytest

from greenroom import Refused
from greenroom.actors.media.messages import Find, Found, Rendition
from greenroom.actors.model.errors import InvalidCommand, Unavailable, UnknownKind
from greenroom.actors.social.profile.actor import CHANGES_PER_H, Profile
from greenroom.actors.social.profile.messages import NAME_MAX, Mine, Set, Settings
from greenroom.testing import Kit

PICTURE = "0123456789abcdef01234567"


def profile() -> Kit[Profile]:
    return Kit(Profile, key="ann")


def media(*, is_public: bool = True, type: str = "image/webp") -> Callable[[Any], Any]:
    def find(ask: Find) -> Found:
        thumb = Rendition(name="thumb", object="o", type=type, size=3, digest="ab")
        return Found(thumb, is_public=is_public)

    return find


def failing(error: Exception) -> Callable[[Any], Any]:
    def find(ask: Find) -> Found:
        raise error

    return find


def test_a_profile_is_shown_to_everybody_and_its_settings_to_its_user() -> None:
    kit = profile()
    kit.ask(Set(name="Ann  A.", bio="hello", timezone="Europe/Berlin", language="de-AT"), user="ann")
    shown = {"name": "Ann A.", "bio": "hello", "avatar": ""}
    assert kit.watch(user="bob") == kit.view() == shown
    mine = Settings(name="Ann A.", bio="hello", avatar="", timezone="Europe/Berlin", language="de-AT")
    assert kit.ask(Mine(), user="ann") == mine
    assert kit.publications == [{"type": "profile.changed", "name": "Ann A.", "bio": "hello"}]
    kit.restart()
    kit.restart(from_snapshot=True)


def test_what_is_left_out_stays_and_what_is_empty_goes() -> None:
    kit = profile()
    kit.ask(Set(name="Ann", bio="hello"), user="ann")
    kit.ask(Set(bio=""), user="ann")
    kit.ask(Set(bio="", name="Ann"), user="ann")
    assert kit.view() == {"name": "Ann", "bio": "", "avatar": ""}
    assert len(kit.events) == 2


def test_where_somebody_is_nobody_hears() -> None:
    kit = profile()
    kit.ask(Set(timezone="Asia/Tokyo", language="ja"), user="ann")
    assert kit.publications == [] and "Tokyo" not in str(kit.view())


def test_only_its_user_changes_it() -> None:
    kit = profile()
    for command in (Set(name="Eve"), Mine()):
        with pytest.raises(Refused, match=r"profile\.not_yours"):
            kit.tell(command, user="eve")
        with pytest.raises(Refused, match="unauthenticated"):
            kit.tell(command, user="")
    kit.ask(Set(name="Ann"), user="bot", roles=("service",))
    assert kit.view()["name"] == "Ann"


def test_a_name_with_look_alike_letters_is_refused_and_nothing_of_it_is_kept() -> None:
    kit = profile()
    for name in ("аnn", "раураӏ"):
        with pytest.raises(Refused, match=r"profile\.(mixed_scripts|look_alike)"):
            kit.ask(Set(name=name, bio="hello"), user="ann")
    assert kit.events == []


def test_fields_have_bounds() -> None:
    kit = profile()
    for fields in (
        {"name": "a" * (NAME_MAX + 1)},
        {"bio": "a" * 501},
        {"avatar": "../../etc/passwd"},
        {"language": "not a language"},
        {"timezone": "a" * 65},
        {"timezone": "../../etc/passwd"},
        {"timezone": "UTC\n"},
        {"avatar": f"{PICTURE}\n"},
        {"language": "de\n"},
    ):
        with pytest.raises(InvalidCommand):
            kit.ask(Set(**fields), user="ann")
    for zone in ("Mars/Olympus", "Europe", "/etc/localtime", "A//B"):
        with pytest.raises(Refused, match=r"profile\.bad_timezone"):
            kit.ask(Set(timezone=zone), user="ann")


def test_a_picture_is_one_that_everybody_may_see() -> None:
    kit = profile()
    kit.when_asked(f"media:{PICTURE}", media())
    kit.ask(Set(avatar=PICTURE, name="Ann"), user="ann")
    assert kit.view() == {"name": "Ann", "bio": "", "avatar": PICTURE}
    kit.ask(Set(avatar=PICTURE), user="ann")
    assert len(kit.asked) == 1  # it is already
    kit.ask(Set(avatar=""), user="ann")
    assert kit.view()["avatar"] == ""


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        (media(is_public=False), "profile.picture_not_public"),
        (media(type="video/mp4"), "profile.no_picture"),
        (failing(Refused("media.not_found", status=404)), "profile.no_such_picture"),
        (failing(Refused("media.gone", status=410)), "profile.no_such_picture"),
        (failing(UnknownKind("no media here")), "profile.no_such_picture"),
    ],
)
def test_a_picture_that_is_none_is_refused_with_all_that_came_with_it(answer: Callable[[Any], Any], rule: str) -> None:
    kit = profile()
    kit.when_asked(f"media:{PICTURE}", answer)
    with pytest.raises(Refused, match=rule):
        kit.ask(Set(avatar=PICTURE, name="Ann"), user="ann")
    assert kit.events == []


def test_where_media_cannot_be_asked_now_it_may_be_said_again() -> None:
    kit = profile()
    kit.when_asked(f"media:{PICTURE}", failing(Unavailable("later")))
    with pytest.raises(Unavailable):
        kit.ask(Set(avatar=PICTURE), user="ann")


def test_a_profile_changes_so_often() -> None:
    kit = profile()
    for number in range(CHANGES_PER_H):
        kit.ask(Set(bio=f"{number}"), user="ann")
    with pytest.raises(Refused, match=r"profile\.too_often"):
        kit.ask(Set(bio="once more"), user="ann")
