"""What the audit of inboxes holds decisions against: who was told by what has gone out."""

from typing import Literal

import msgspec
import pytest

from greenroom.store.journal.records import StoredEvent
from tests.actors.inbox.inboxes import ended, inbox, notice, sent, with_hook
from tests.simulation.social.provider import Provider, Taken
from tests.simulation.social.told import told

Said = Literal["sent", "you have it off", "under way"]


@pytest.mark.parametrize(
    ("ann", "bob", "cat", "is_well"),
    [
        ("sent", "sent", "you have it off", True),
        ("you have it off", "sent", "you have it off", False),  # the second message said: bob and ann
        ("sent", "sent", "sent", False),
        ("sent", "under way", "you have it off", False),
    ],
)
def test_who_was_told_and_nobody_else_is_said_to_have_been(ann: Said, bob: Said, cat: Said, is_well: bool) -> None:
    kit, provider = with_hook(inbox()), Provider()
    kit.tell(notice("ann", "comment"))
    kit.advance(2)
    ended(kit, sent(kit)[0], refused="job.failed")
    kit.tell(notice("bob", "comment"))
    kit.advance(2)
    ended(kit, sent(kit)[1])
    provider.taken.append(Taken(sent(kit)[1].id, "order", "https://me.example.org/hook"))
    kit.tell(notice("cat", "comment", post="p2"))
    kit.advance(2)
    ended(kit, sent(kit)[2], refused="job.failed")
    for decision, said in zip(kit.state.decisions.values(), (ann, bob, cat), strict=True):
        decision.channels["hook"] = said
    journal = [StoredEvent(n, 0, msgspec.json.encode(event)) for n, event in enumerate(kit.events, start=1)]
    journals, now_ms = {kit.entity: journal}, int(kit.now * 1000)
    wrong = list(told({"me": kit.state}, journals, provider, now_ms, clocks_are_right=True, is_whole=True))
    assert (not wrong) == is_well, wrong
