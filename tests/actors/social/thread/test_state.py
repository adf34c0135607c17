"""What a thread remembers."""

from greenroom.actors.social.thread.events import CommentMade, NamedTold
from greenroom.actors.social.thread.state import WINDOW, ThreadState


def test_the_newest_have_a_text_and_all_an_author() -> None:
    state = ThreadState(author="ann")
    for offset in range(1, WINDOW + 11):
        state.change(CommentMade(author="bob", text=str(offset)), offset, 1_000)
    assert [one.text for one in state.shown(to="")] == [str(offset) for offset in range(11, WINDOW + 11)]
    assert state.count == len(state.authors) == WINDOW + 10


def test_of_a_comment_that_is_gone_it_is_not_kept_who_was_told() -> None:
    state = ThreadState(author="ann")
    state.change(NamedTold(comment=7, users=["bob"]), 8, 0)
    assert state.named == {}
