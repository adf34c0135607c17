"""What a group of notices says in one sentence: "ann, bob and 8 others like your post"."""

from collections.abc import Sequence

_SAYS = {
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
}
_SAY = {"follow": "{who} now follow you", "request": "{who} ask to follow you", "other": "{who} have something for you"}


def who(names: Sequence[str], count: int) -> str:
    """`names`: the newest first, two at most; `count`: of all."""
    if not names:
        return "Somebody" if count <= 1 else f"{count} people"
    rest = count - len(names)
    if rest <= 0:
        return " and ".join(names)
    return f"{', '.join(names)} and {rest} other{'s' if rest > 1 else ''}"


def sentence(kind: str, names: Sequence[str], count: int, says: str = "") -> str:
    """`says`: what they did, where whoever tells of it has said so."""
    if says:
        return f"{who(names, count)} {says}"
    said = _SAYS.get(kind, "{who}")
    if count > 1:
        said = _SAY.get(kind, said)
    return said.format(who=who(names, count))


def about_of(about: str, names: Sequence[str]) -> str:
    """The entity that it leads to: where none is kept, whoever did it."""
    return about or (f"profile:{names[0]}" if names else "")
