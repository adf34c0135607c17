"""What an order asks before it is sent, and what it says then."""

from msgspec import json

from greenroom.actors.inbox.deliveries.orders import (
    HookOrder,
    MailOrder,
    Outcome,
    PushOrder,
    outcome_with,
    question_of,
)
from greenroom.actors.inbox.messages import Still, StillSo

PUSH = {"provider": "p", "id": "1", "endpoint": "e", "p256dh": "k", "auth": "a", "payload": "{}"}


def test_an_order_asks_the_inbox_that_it_tells_of_by_its_channel() -> None:
    of = {"user": "ann", "groups": [4, 2], "since": 9}
    mail = MailOrder(provider="p", id="1", to="a@b.org", subject="s", body="b", user="ann", groups=[4, 2], since=9)
    hook = HookOrder(
        provider="p", id="1", url="https://b.org", secret="s", body="b", user="ann", groups=[4, 2], since=9
    )
    push = json.decode(json.encode({"job": "job.inbox_push", **PUSH, **of}), type=PushOrder)
    for order, channel in ((mail, "mail"), (hook, "hook"), (push, "push")):
        question = question_of(order, "j")
        assert question is not None and question[0] == "inbox:ann"
        assert question[1] == StillSo(channel=channel, groups=[4, 2], since=9, job="j")  # type: ignore[arg-type]


def test_a_code_and_what_the_release_before_has_ordered_ask_nobody() -> None:
    assert question_of(MailOrder(provider="p", id="1", to="a@b.org", subject="s", body="b"), "j") is None
    assert question_of(json.decode(json.encode({"job": "job.inbox_push", **PUSH}), type=PushOrder), "j") is None


def test_what_was_left_out_goes_with_what_became_of_the_rest() -> None:
    said = outcome_with(Outcome("refused", "the server says 550"), Still(left_out=["x"]))
    assert said == Outcome("refused", "the server says 550", ["x"])
