"""What the owner sees: all of it, and then the same piece by piece."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.inbox.messages import Archive, MarkRead, NoticeKind, ReadAll, Withdraw
from tests.actors.inbox.inboxes import inbox, notice

USERS, POSTS = ("ann", "bob", "cat", "dan"), ("p1", "p2")
kinds = st.sampled_from(list[NoticeKind](["like", "comment", "follow"]))
notices = st.builds(
    notice, st.sampled_from(USERS), kinds, st.sampled_from(POSTS), text=st.sampled_from(("", "one", "two"))
)
ids = st.builds("{}:{}:{}".format, kinds, st.sampled_from(POSTS), st.sampled_from(USERS))
steps = st.one_of(
    notices,
    st.builds(Withdraw, id=ids),
    st.builds(Withdraw, about=st.sampled_from([f"post:{post}" for post in POSTS])),
    st.builds(ReadAll),
    st.builds(MarkRead, about=st.sampled_from([f"post:{post}" for post in POSTS])),
    st.integers(0, 5),  # the group at that place is put away
)


@settings(max_examples=50, deadline=None)
@given(st.lists(steps, max_size=40))
def test_who_follows_the_channel_knows_what_the_view_says(taken: list[Any]) -> None:
    kit = inbox()
    known: dict[int, dict[str, Any]] = {}
    unread = 0
    for step in taken:
        before, said = len(kit.publications), len(kit.ephemerals)
        if isinstance(step, int):
            groups = kit.view()["groups"]
            kit.ask(Archive(groups=[groups[step]["id"]] if step < len(groups) else []), user="me")
        elif isinstance(step, ReadAll | MarkRead):
            kit.ask(step, user="me")
        else:
            kit.tell(step)
        for shown in kit.publications[before:]:
            unread = shown["unread"]
            if shown["type"] == "inbox.unread":
                for group in shown["groups"]:
                    if shown["archived"]:
                        del known[group]
                    else:
                        known[group]["read"] = True
            elif shown["count"]:
                known[shown["id"]] = {**shown, "read": known.get(shown["id"], shown)["read"]}
            else:
                known.pop(shown["id"])
        for told in kit.ephemerals[said:]:  # for who watches; it comes behind the others
            if told["id"] in known:
                known[told["id"]]["text"] = told["text"]
        assert not any(shown.get("text") for shown in kit.publications), "the history has no texts"
    view = kit.view()
    assert view["unread"] == unread
    keys = ("kind", "about", "names", "count", "says", "text", "read", "at_ms")
    assert {group["id"]: [group[key] for key in keys] for group in view["groups"]} == {
        id_: [group[key] for key in keys] for id_, group in known.items()
    }
    kit.restart()
    kit.restart(from_snapshot=True)
