"""Questions to the store: answered once, and not more than so many wait."""

import pytest

from greenroom.actors.jobs.queue.flows.asking import ASKED_MAX, FORGOTTEN_MS, Asking
from greenroom.actors.model.errors import Overloaded
from greenroom.actors.model.message import Later


def then(*_: object) -> None:
    pass


def test_one_is_answered_once_and_not_by_what_a_former_life_has_asked() -> None:
    former, asking = Asking(0), Asking(1 << 20)
    number, later = asking.ask(then, 0), former.ask(then, 0)
    asked = asking.answered(number)
    assert asked is not None and asked.then is then
    assert asking.answered(number) is None and asking.answered(later) is None


@pytest.mark.bound("workers of a queue that wait to hear what has come of children")
def test_so_many_wait_until_nobody_waits_for_them_any_more() -> None:
    asking = Asking(0)
    for _ in range(ASKED_MAX):
        asking.ask(then, 0, Later())
    with pytest.raises(Overloaded):
        asking.ask(then, FORGOTTEN_MS - 1, Later())
    asking.ask(then, FORGOTTEN_MS - 1)  # its own: it asks for one thing at a time
    asking.ask(then, FORGOTTEN_MS, Later())
