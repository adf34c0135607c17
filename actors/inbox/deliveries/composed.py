"""What orders say: groups of notices as a mail, as the message to a browser, and as the body of a POST."""

from collections.abc import Mapping, Sequence

import msgspec

from greenroom.actors.inbox.events import GroupShown
from greenroom.actors.inbox.state import Group
from greenroom.actors.inbox.wording import PLAIN, Words, about_of, sentence

MAIL_GROUPS_MAX = 50
BODY_GROUPS_MAX = 100
PUSH_TEXT_CHARS = 200  # with the sentence far below the 4 KiB that services of push take
SUBJECT_CHARS = 120


def shown(number: int, group: Group, unread: int = 0, words: Words = PLAIN) -> GroupShown:
    return GroupShown(
        id=number,
        kind=group.kind,
        about=about_of(group.about, group.names),
        names=group.names,
        count=group.count,
        says=_says(group, words),
        text=group.text,
        at_ms=group.at_ms,
        read=group.read,
        unread=unread,
    )


def subject_and_body(groups: Sequence[Group], words: Words = PLAIN) -> tuple[str, str]:
    """`groups`: at least one, the newest first."""
    wording = words.wording
    said = [_says(group, words) for group in groups[:MAIL_GROUPS_MAX]]
    more = len(groups) - 1
    subject = wording.and_more.format(says=said[0], count=more) if more else said[0]
    lines = []
    for group, says in zip(groups, said, strict=False):
        lines.append(f"- {_line(says)}")
        if group.text:
            lines.append(f"  {_line(group.text)}")
    if len(groups) > MAIL_GROUPS_MAX:
        lines.append(f"- {wording.list_more.format(count=len(groups) - MAIL_GROUPS_MAX)}")
    return _line(subject)[:SUBJECT_CHARS], "\n".join(lines) + "\n"


def push_payload(groups: Mapping[int, Group], unread: int, words: Words = PLAIN) -> str:
    """`groups`: at least one, the newest first."""
    number, newest = next(iter(groups.items()))
    says = _says(newest, words)
    more = len(groups) - 1
    payload = {
        "title": _line(words.wording.and_more.format(says=says, count=more) if more else says)[:PUSH_TEXT_CHARS],
        "body": _line(newest.text)[:PUSH_TEXT_CHARS],
        "about": about_of(newest.about, newest.names),
        "group": number,
        "unread": unread,
    }
    return msgspec.json.encode(payload).decode()


def hook_body(user: str, groups: Mapping[int, Group], unread: int, words: Words = PLAIN) -> str:
    newest = [shown(number, group, words=words) for number, group in list(groups.items())[:BODY_GROUPS_MAX]]
    body = {"type": "inbox.notices", "user": user, "unread": unread, "count": len(groups), "groups": newest}
    return msgspec.json.encode(body).decode()


def _says(group: Group, words: Words) -> str:
    return sentence(group.kind, group.names, group.count, group.says, words)


def _line(text: str) -> str:
    """In one line, without control characters."""
    return "".join(char if char.isprintable() else " " for char in text)
