import pytest

from greenroom.supervisors.kernel.cells.ending import Ending, unanswered, unhandled


@pytest.mark.parametrize(
    ("ending", "handled", "waiting"),
    [
        (Ending.STOPPED, "outcome_unknown", "unavailable"),
        (Ending.FAILED, "outcome_unknown", "unavailable"),
        (Ending.DAMAGED, "outcome_unknown", "unavailable"),
        (Ending.REFUSED, "outcome_unknown", "not_owner"),
        (Ending.BEHIND, "outcome_unknown", "not_in_release"),
        (Ending.ERASED, "forgotten", "forgotten"),
    ],
    ids=lambda one: one.value if isinstance(one, Ending) else "",
)
def test_who_may_have_been_handled_hears_something_else_than_who_was_not(
    ending: Ending, handled: str, waiting: str
) -> None:
    assert (unanswered(ending).name, unhandled(ending).name) == (handled, waiting)
