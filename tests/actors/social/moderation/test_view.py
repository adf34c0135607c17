"""The moderators' queue."""

import pytest

from greenroom import Origin, Principal, Refused
from greenroom.actors.social.moderation.events import AuthorShadowed, Moved, Opened, Reported
from greenroom.actors.social.moderation.state import CaseEvent, CaseFile
from greenroom.actors.social.moderation.view import Cases
from greenroom.actors.testing.kit import EPOCH_S
from greenroom.testing import fold
from tests.actors.chat.views.chats import seeded

A, B = f"case:{'0' * 31}a", f"case:{'0' * 31}b"


def reported(user: str, count: int) -> Reported:
    return Reported(state="open", user=user, reason="spam", count=count, reasons={"spam": count})


def test_a_case_stands_in_one_state_at_a_time() -> None:
    rows = fold(
        Cases,
        [
            (A, Opened(author="ann", state="open")),
            (A, reported("bob", 1)),
            (B, Opened(author="cy", state="pending", rule="luck")),
            (A, reported("cy", 2)),
            (A, Moved(was="open", state="pending", rule="luck")),
            (A, Moved(was="pending", state="cleared", by="mod")),
            (A, AuthorShadowed(state="cleared", author="ann", seconds=60, by="max")),
        ],
    )
    assert [(row.state, row.case[-1], row.author, row.count, row.rule, row.decided_by) for row in rows] == [
        ("cleared", "a", "ann", 2, "luck", "max"),
        ("pending", "b", "cy", 0, "luck", ""),
    ]
    cleared = rows[0]
    assert cleared.reasons == {"spam": 2} and 0 < cleared.opened_ms < cleared.decided_ms


def test_what_moderators_decided_stays_when_a_case_is_opened_again() -> None:
    rows = fold(
        Cases,
        [
            (A, Opened(author="ann", state="open")),
            (A, Moved(was="open", state="cleared", by="mod")),
            (A, Moved(was="cleared", state="open")),
        ],
    )
    assert [(row.state, row.decided_by) for row in rows] == [("open", "mod")]


def test_the_oldest_come_first() -> None:
    assert Cases.watch is not None and Cases.watch.order == "opened_ms"


def test_it_is_for_moderators() -> None:
    Cases.may_watch(Principal(user="mod", roles=frozenset(("moderator",))), "open")
    with pytest.raises(Refused, match="moderators_only"):
        Cases.may_watch(Principal(user="ann"), "open")


def test_a_state_without_its_events_makes_the_same_row() -> None:
    events: list[CaseEvent] = [
        Opened(author="ann", state="open"),
        reported("bob", 1),
        Moved(was="open", state="hidden", by="mod"),
    ]
    state = CaseFile()
    for number, event in enumerate(events):
        state.change(event, int((EPOCH_S + number) * 1000))
    (row,) = fold(Cases, [(A, event) for event in events])
    assert seeded(Cases, state, Origin(A, 3, 0)) == [row]
