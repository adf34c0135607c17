"""What of a thread is read out of its state, and what out of rows."""

import pytest

from greenroom import Refused
from greenroom.actors.social.feed.messages import Unwanted, UnwantedAmong
from greenroom.actors.social.moderation.messages import Verdict
from greenroom.actors.social.thread import reading
from greenroom.actors.social.thread.actor import Thread
from greenroom.actors.social.thread.messages import Cover, Delete, Hide, Read
from greenroom.actors.social.thread.state import WINDOW
from greenroom.actors.social.thread.view import Comments
from greenroom.actors.views.page import LIMIT_MAX
from greenroom.actors.views.query import BadQuery
from greenroom.store.views.asked import Asked, Rows
from greenroom.testing import Kit
from tests.actors.social.post.posting import ID
from tests.actors.social.thread.saying import FINE, opened, say

Row = Comments.Row


def play_rows(kit: Kit[Thread], texts: dict[int, str]) -> list[Asked]:
    """All comments as rows: what the view would give. What was asked for."""
    asked: list[Asked] = []

    def find(key: str, query: Asked) -> Rows[Row]:
        assert key == ID
        asked.append(query)
        before = int(query.after) if query.after is not None else 1 << 60
        offsets = sorted((offset for offset in texts if offset < before), reverse=True)
        page = offsets[: query.limit]
        rows = [Row(post=ID, offset=one, author=kit.state.authors[one], text=texts[one]) for one in page]
        return Rows(rows, str(page[-1]) if len(offsets) > len(page) else None)

    kit.when_queried(Row, find)
    return asked


def read_all(kit: Kit[Thread], user: str, limit: int) -> list[str]:
    texts: list[str] = []
    cursor = None
    while True:
        page = kit.ask(Read(limit=limit, cursor=cursor), user=user)
        texts += [one.text for one in page.comments]
        cursor = page.next
        if cursor is None:
            return texts


def test_the_newest_are_read_out_of_the_state() -> None:
    kit, _ = opened()
    for number in range(5):
        say(kit, "bob", f"{number}")
    page = kit.ask(Read(), user="cat")  # nothing is queried
    assert [one.text for one in page.comments] == ["4", "3", "2", "1", "0"] and (page.next, page.count) == (None, 5)
    assert kit.ask(Read(limit=2), user="cat").next is not None
    empty, _ = opened()
    assert empty.ask(Read(), user="cat").comments == []


@pytest.mark.parametrize("limit", [3, 50, 100])
def test_page_by_page_each_is_read_once(limit: int) -> None:
    kit, _ = opened()
    texts = {say(kit, "bob", f"{number}"): f"{number}" for number in range(WINDOW + 20)}
    asked = play_rows(kit, texts)
    assert read_all(kit, "cat", limit) == list(texts.values())[::-1]
    assert asked, "older ones are rows"


def test_what_is_said_meanwhile_shifts_nothing() -> None:
    kit, _ = opened()
    texts = {say(kit, "bob", f"{number}"): f"{number}" for number in range(10)}
    play_rows(kit, texts)
    first = kit.ask(Read(limit=4), user="cat")
    for _ in range(3):
        texts[say(kit, "bob", "new")] = "new"
    second = kit.ask(Read(limit=4, cursor=first.next), user="cat")
    assert [one.text for one in (*first.comments, *second.comments)] == [f"{9 - number}" for number in range(8)]


def test_older_ones_are_read_where_the_newest_are_gone() -> None:
    kit, _ = opened()
    texts = {say(kit, "bob", f"{number}"): f"{number}" for number in range(WINDOW + 1)}
    for offset in list(texts)[1:]:
        kit.ask(Delete(offset=offset), user="bob")
        del texts[offset]
    play_rows(kit, texts)
    assert read_all(kit, "cat", 10) == ["0"]


def test_so_many_rows_are_asked_for_at_most() -> None:
    kit, _ = opened()
    first = say(kit, "bob", "first")
    kit.state.authors.update((offset, "bob") for offset in range(first + 1, first + 2_000))
    asked = play_rows(kit, {first: "first"})
    kit.ask(Read(cursor=f"{reading.BEHIND}{first + 1}"), user="cat")
    assert asked == [Asked(limit=LIMIT_MAX)]


def test_a_cursor_that_is_none_is_refused() -> None:
    kit, _ = opened()

    def find(key: str, query: Asked) -> Rows[Row]:
        raise BadQuery("after", "is no cursor")

    kit.when_queried(Row, find)
    for cursor in ("mine", "behind ", "behind x", "behind " + 30 * "9"):
        with pytest.raises(Refused, match=r"thread\.bad_cursor"):
            kit.ask(Read(cursor=cursor), user="bob")


def test_what_has_a_veil_is_read_by_whose_it_is() -> None:
    kit, _ = opened()
    kit.when_asked("rules:all", lambda _: Verdict(verdict="shadow"))
    veiled = say(kit, "bob", "seen by me")
    kit.when_asked("rules:all", lambda _: FINE)
    for user, texts in (("bob", ["seen by me"]), ("cat", [])):
        page = kit.ask(Read(), user=user)
        assert [one.text for one in page.comments] == texts and page.count == len(texts), "nothing tells them so"
    assert kit.watch(user="cat")["comments"] == []
    kit.when_queried(Row, lambda *_: Rows([Row(post=ID, offset=veiled, author="bob", veil="shadowed")]))
    assert len(kit.ask(Read(cursor="here"), user="bob").comments) == 1
    assert kit.ask(Read(cursor="here"), user="cat").comments == []
    kit.tell(Hide(offset=veiled, hidden=False))
    assert [one.text for one in kit.ask(Read(), user="cat").comments] == ["seen by me"]


def test_nobody_reads_whom_they_have_muted_nor_across_a_block() -> None:
    kit, others = opened()
    texts = {say(kit, user, user): user for user in ("bob", "dan", "cat", "ann") for _ in range(WINDOW // 2)}
    play_rows(kit, texts)
    others.unwanted = {("cat", "bob")}
    assert set(read_all(kit, "cat", 7)) == {"dan", "cat", "ann"}
    assert set(read_all(kit, "dan", 7)) == {"bob", "dan", "cat", "ann"}
    others.unwanted = {("ann", "dan")}
    assert set(read_all(kit, "ann", 50)) == {"bob", "cat", "ann"}, "the post's author, too"
    assert kit.ask(Read(), user="cat").count == len(texts), "how many there are is the same for all"
    others.unwanted = {("root", "dan")}
    page = kit.ask(Read(limit=100, cursor=f"{reading.BEHIND}{max(texts) + 1}"), user="root", roles=("admin",))
    assert {one.author for one in page.comments} == {"bob", "dan", "cat", "ann"}


def test_below_what_is_hidden_nobody_reads_though_they_did_just_before() -> None:
    kit, _ = opened()
    say(kit, "bob", "seen")
    kit.ask(Read(), user="cat")
    kit.tell(Cover(covered=True))
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(Read(), user="cat")
    assert len(kit.ask(Read(), user="ann").comments) == 1


def test_reading_keeps_nobody_waiting() -> None:
    kit, _ = opened()
    for number in range(3):
        say(kit, "bob", f"{number}")

    def find(key: str, query: Asked) -> Rows[Row]:
        assert say(kit, "dan", "meanwhile")
        return Rows([])

    kit.when_queried(Row, find)
    assert kit.ask(Read(cursor="here"), user="cat").count == 4


def test_a_user_reads_so_often_in_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READS_PER_H", 1)
    kit, _ = opened()
    kit.ask(Read(), user="bob")
    with pytest.raises(Refused, match=r"thread\.too_many_reads"):
        kit.ask(Read(), user="bob")


def test_what_goes_while_the_rest_is_asked_for_is_on_no_page() -> None:
    kit, _ = opened()
    said = [say(kit, user, user) for user in ("ann", "bob", "dan")]
    deleted, hidden, kept = said

    def meanwhile(message: UnwantedAmong) -> Unwanted:
        kit.when_asked("feed:bob", lambda message: Unwanted([]))
        kit.ask(Delete(offset=deleted), user="ann")
        kit.tell(Hide(offset=hidden, hidden=True))
        return Unwanted([])

    for user in ("cat", "bob"):
        kit.when_asked(f"feed:{user}", meanwhile)
    assert [one.offset for one in kit.ask(Read(), user="cat").comments] == [kept]
    assert [one.offset for one in kit.ask(Read(), user="bob").comments] == [kept, hidden], "it is bob's"

    def cover(message: UnwantedAmong) -> Unwanted:
        kit.tell(Cover(covered=True))
        return Unwanted([])

    kit.when_asked("feed:cat", cover)
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(Read(), user="cat")
