"""What messages say."""

import msgspec

from greenroom.actors.inbox.deliveries.composed import (
    BODY_GROUPS_MAX,
    MAIL_GROUPS_MAX,
    SUBJECT_CHARS,
    hook_body,
    push_payload,
    shown,
    subject_and_body,
)
from greenroom.actors.inbox.state import Group


def group(by: str = "ann", text: str = "", kind: str = "comment", about: str = "post:p") -> Group:
    return Group(kind=kind, about=about, key="k", at_ms=1, offset=1, by={by: 1}, text=text)


def test_a_mail_of_one_and_of_many() -> None:
    assert subject_and_body([group(text="hi")]) == (
        "ann commented on your post",
        "- ann commented on your post\n  hi\n",
    )
    subject, body = subject_and_body([group() for _ in range(MAIL_GROUPS_MAX + 3)])
    assert subject == f"ann commented on your post, and {MAIL_GROUPS_MAX + 2} more"
    assert body.count("\n") == MAIL_GROUPS_MAX + 1 and body.endswith("- and 3 more\n")


def test_no_text_ends_a_line() -> None:
    subject, body = subject_and_body([group("ann\u2028b", "x\r\nBcc: eve@example.org\n.\r\n\x1b[31m")])
    assert subject == "ann b commented on your post"
    assert body.splitlines()[1] == "  x  Bcc: eve@example.org .   [31m" and len(body.splitlines()) == 2
    assert len(subject_and_body([group("a" * 300)])[0]) == SUBJECT_CHARS


def test_a_message_to_a_browser_is_short() -> None:
    payload = push_payload({7: group("\U0001f600" * 255, "\U0001f600" * 200), 6: group()}, 9)
    assert len(payload.encode()) < 3_000
    said = msgspec.json.decode(payload)
    assert (said["group"], said["about"], said["unread"]) == (7, "post:p", 9)


def test_a_post_has_the_newest_whole() -> None:
    body = msgspec.json.decode(hook_body("me", {n: group() for n in range(BODY_GROUPS_MAX + 1)}, 3))
    assert (body["user"], body["unread"], body["count"], len(body["groups"])) == ("me", 3, 101, 100)
    assert body["groups"][0]["says"] == "ann commented on your post"


def test_a_group_that_is_about_whoever_did_it() -> None:
    assert shown(1, group(kind="follow", about="")).about == "profile:ann"
