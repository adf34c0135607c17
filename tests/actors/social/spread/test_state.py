"""What is remembered of a fan-out."""

from greenroom.actors.social.spread.events import Begun, PageWritten, Planned
from greenroom.actors.social.spread.messages import Stretch
from greenroom.actors.social.spread.state import SpreadState, change


def test_events_come_to_the_pages_that_are_written_and_who_was_left_out() -> None:
    assert SpreadState().is_written is None, "nothing has begun"
    state = SpreadState()
    change(state, Begun(author="bob", at_ms=7, is_story=True, is_written=True))
    change(state, Planned(stretches=[Stretch("a", "k"), Stretch("k")]))
    change(state, Planned(stretches=[Stretch("a", "m")]))
    change(state, PageWritten(page="1", author="bob", at_ms=7, kept=["a"], shed=["b", "c"], is_story=True))
    assert (state.author, state.at_ms, state.is_story, state.is_written) == ("bob", 7, True, True)
    assert state.planned == {"a": "m", "k": ""}
    assert (list(state.written), list(state.shed)) == (["1"], ["b", "c"])
