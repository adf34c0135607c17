"""Who is told of is called by their name, as their profile has it."""

from typing import Any

from greenroom import social
from greenroom.actors.inbox.deliveries.orders import MailOrder
from greenroom.actors.inbox.messages import Prefer
from greenroom.actors.social.inbox import NamedInbox
from greenroom.actors.social.profile.views import Profiles
from greenroom.store.views.asked import Asked, Rows
from greenroom.testing import Kit
from tests.actors.inbox.inboxes import notice, with_mail


def test_a_mail_calls_people_by_their_names() -> None:
    assert social.NamedInbox is NamedInbox
    kit: Kit[Any] = with_mail(Kit(NamedInbox, key="me"))
    names = {"ann": "Ann {0} Lee", "bob": ""}

    def find(key: str, asked: Asked) -> Rows[Profiles.Row]:
        return Rows([Profiles.Row(user=key, name=names[key])] if key in names else [])

    kit.when_queried(Profiles.Row, find)
    kit.ask(Prefer(kind="comment", channel="mail", pace="now"), user="me")
    for user in ("bob", "cat", "ann"):
        kit.tell(notice(user, "comment"))
    kit.advance(60)
    names["ann"] = "another by then"
    (mail,) = [one.job for one in kit.started if isinstance(one.job, MailOrder) and one.about]
    assert mail.subject == "Ann {0} Lee, cat and 1 other commented on your post"
