"""What inboxes are told of posts: one notice a thing that happened, grouped by what happened to which post."""

from greenroom.actors.inbox.messages import NoticeKind, Notify
from greenroom.actors.social.texts import preview


def notice(
    kind: NoticeKind, post: str, by: str, *, at_ms: int, of: str = "", text: str = "", group: str = ""
) -> Notify:
    """`at_ms`: when it happened (Unix), by which what comes late is told from what is new. `of` tells it apart from
    others of its kind by the same user, such as a comment's offset. `post` is an id. Those of a kind are one group,
    unless another is said."""
    return Notify(
        id=notice_id(kind, post, by, of),
        kind=kind,
        by=by,
        about=f"post:{post}",
        group=group or f"{kind}:{post}",
        text=preview(text),
        at_ms=at_ms,
    )


def notice_id(kind: NoticeKind, post: str, by: str, of: str = "") -> str:
    """By which it is withdrawn."""
    return f"{kind}:{post}:{of}:{by}" if of else f"{kind}:{post}:{by}"
