"""Links that end mails, and nothing else."""

from urllib.parse import parse_qsl

import pytest

from greenroom import Refused
from greenroom.actors.inbox.messages import Prefer
from greenroom.transports.notices.unsubscribe import KINDS_CHARS_MAX, USER_CHARS_MAX, Unsubscribing

LINKS = Unsubscribing(32 * b"k")


def given(
    user: str = "ann", kinds: tuple[str, ...] = ("reply", "comment"), by: Unsubscribing = LINKS
) -> dict[str, str]:
    return dict(parse_qsl(by.query_of(user, "mail", kinds), keep_blank_values=True))


def test_a_link_turns_off_what_it_says() -> None:
    off = [Prefer(kind="comment", channel="mail", pace="off"), Prefer(kind="reply", channel="mail", pace="off")]
    assert LINKS.check(given()) == ("ann", off)
    assert LINKS.check(given("zoë&user=bob\n")) == ("zoë&user=bob\n", off)
    assert LINKS.check(given(kinds=("like", "gone"))) == ("ann", [Prefer(kind="like", channel="mail", pace="off")])


@pytest.mark.parametrize(
    "changed",
    [
        {"user": "bob"},
        {"user": ""},
        {"user": "a" * (USER_CHARS_MAX + 1)},
        {"kinds": "comment"},
        {"kinds": "comment.reply.like"},
        {"kinds": "c" * (KINDS_CHARS_MAX + 1)},
        {"channel": "push"},
        {"channel": "live"},
        {"channel": "mail\ncomment.reply"},
        {"signature": ""},
        {"signature": "0" * 64},
        {"signature": "\ud800"},
        {"signature": given(by=Unsubscribing(32 * b"o"))["signature"]},
        {"signature": given("bob")["signature"]},
    ],
)
def test_no_other_link_does_anything(changed: dict[str, str]) -> None:
    with pytest.raises(Refused, match=r"inbox\.link") as refused:
        LINKS.check(given() | changed)
    assert refused.value.status == 403
    for name in given():
        with pytest.raises(Refused):
            LINKS.check({key: value for key, value in given().items() if key != name})
