"""What a profile remembers."""

from greenroom.actors.social.profile.events import Changed
from greenroom.actors.social.profile.state import ProfileState


def test_what_an_event_does_not_say_stays_and_what_it_says_is_empty_goes() -> None:
    state = ProfileState()
    state.change(Changed(name="Ann", bio="hello", timezone="Asia/Tokyo"))
    state.change(Changed(bio="", language="ja"))
    assert state == ProfileState(name="Ann", timezone="Asia/Tokyo", language="ja")


def test_where_somebody_is_is_not_shown() -> None:
    state = ProfileState(name="Ann", bio="hello", avatar="a", timezone="Asia/Tokyo", language="ja")
    assert state.shown() == {"name": "Ann", "bio": "hello", "avatar": "a"}
