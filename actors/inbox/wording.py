"""What a group of notices says in one sentence: "ann, bob and 8 others like your post".

A `Wording` is a table of such sentences, and an application may have its own, in whichever language. How users are
called, others know: see `Inbox.words`.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct


class Wording(Struct, frozen=True, kw_only=True):
    """Sentences of one language. What stands in braces is put in, once; nothing of what is put in is looked at."""

    one: Mapping[str, str]  # by kind, of one who has done it: "{who} replied to you"
    several: Mapping[str, str] = {}  # likewise, where that is said otherwise
    unknown: str = "{who}"  # of a kind that is not among these
    somebody: str = "Somebody"
    people: str = "{count} people"  # of whom nobody is named
    both: str = "{first} and {second}"
    and_one: str = "{names} and 1 other"
    and_others: str = "{names} and {count} others"
    and_more: str = "{says}, and {count} more"  # notices, in a subject or a title
    list_more: str = "and {count} more"  # the same, as the last line of a list


ENGLISH = Wording(
    one={
        "like": "{who} reacted to your post",
        "comment": "{who} commented on your post",
        "reply": "{who} replied to you",
        "mention": "{who} mentioned you",
        "follow": "{who} now follows you",
        "request": "{who} asks to follow you",
        "accepted": "{who} accepted your request",
        "share": "{who} shared your post",
        "post": "{who} posted",
        "moderation": "About your post",
        "other": "{who} has something for you",
    },
    several={
        "follow": "{who} now follow you",
        "request": "{who} ask to follow you",
        "other": "{who} have something for you",
    },
)


class Words(Struct, frozen=True, kw_only=True):
    """What is said to one user, and how those are called whom it names."""

    wording: Wording = ENGLISH
    names: Mapping[str, str] = {}  # by user id; others are called by their ids

    def named(self, users: Sequence[str]) -> list[str]:
        return [self.names.get(user) or user for user in users]


PLAIN = Words()


def who(users: Sequence[str], count: int, words: Words = PLAIN) -> str:
    """`users`: the newest first, two at most; `count`: of all."""
    wording, names = words.wording, words.named(users)
    if not names:
        return wording.somebody if count <= 1 else wording.people.format(count=count)
    rest = count - len(names)
    if rest <= 0:
        return names[0] if len(names) == 1 else wording.both.format(first=names[0], second=names[1])
    template = wording.and_one if rest == 1 else wording.and_others
    return template.format(names=", ".join(names), count=rest)


def sentence(kind: str, users: Sequence[str], count: int, says: str = "", words: Words = PLAIN) -> str:
    """`says`: what they did, where whoever tells of it has said so."""
    found = who(users, count, words)
    if says:
        return f"{found} {says}"
    said = words.wording.one.get(kind, words.wording.unknown)
    if count > 1:
        said = words.wording.several.get(kind, said)
    return said.format(who=found)


def about_of(about: str, names: Sequence[str]) -> str:
    """The entity that it leads to: where none is kept, whoever did it."""
    return about or (f"profile:{names[0]}" if names else "")
