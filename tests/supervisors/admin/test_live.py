"""Looking again and again, while somebody watches and no longer."""

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.actors.model.errors import Overloaded
from greenroom.store.errors import StoreUnavailable
from greenroom.supervisors.admin import live
from greenroom.supervisors.admin.live import LiveBoard


class Page:
    def __init__(self, *, sees_all: bool = True) -> None:
        self.sees_all = sees_all
        self.shown: list[tuple[str, bytes]] = []

    def show(self, event: str, body: bytes) -> None:
        self.shown.append((event, body))


class Looked:
    def __init__(self) -> None:
        self.looks: list[tuple[str, bool, bool]] = []
        self.error: Exception | None = None
        self.takes_s = 0.0

    async def look(self, what: str, full: bool, viewer: bool) -> tuple[bytes, bytes]:
        self.looks.append((what, full, viewer))
        await trio.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        return b"all" if full else b"", b"some" if viewer else b""


async def test_nobody_looks_while_nobody_watches(autojump_clock: MockClock) -> None:
    looked = Looked()
    board = LiveBoard(looked.look, pace_s=lambda what: 1.0)
    async with trio.open_nursery() as nursery:
        await nursery.start(board.run)
        await trio.sleep(60)
        assert looked.looks == []
        page = Page()
        board.watch("", page)
        await trio.sleep(2.5)
        assert page.shown == [("shown", b"all")] * 3
        board.leave("", page)
        board.leave("", page)
        await trio.sleep(60)
        assert len(looked.looks) == 3, "and no longer"
        nursery.cancel_scope.cancel()


async def test_one_look_is_for_all_and_each_is_shown_what_they_may_see(autojump_clock: MockClock) -> None:
    looked = Looked()
    board = LiveBoard(looked.look, pace_s=lambda what: 1.0)
    async with trio.open_nursery() as nursery:
        await nursery.start(board.run)
        admin, viewer, other = Page(), Page(sees_all=False), Page(sees_all=False)
        for page in (admin, viewer):
            board.watch("", page)
        board.watch("room:a", other)
        await trio.sleep(0.5)
        assert sorted(looked.looks) == [("", True, True), ("room:a", False, True)]
        assert admin.shown == [("shown", b"all")]
        assert viewer.shown == other.shown == [("shown", b"some")]
        board.leave("", admin)
        await trio.sleep(1)
        assert looked.looks[-1][1] is False or looked.looks[-2][1] is False, "what nobody is to see is not made"
        nursery.cancel_scope.cancel()


async def test_what_is_wrong_is_shown_and_the_next_look_may_be_better(autojump_clock: MockClock) -> None:
    looked = Looked()
    looked.error = StoreUnavailable("away")
    board = LiveBoard(looked.look, pace_s=lambda what: 1.0)
    page = Page()
    async with trio.open_nursery() as nursery:
        await nursery.start(board.run)
        board.watch("", page)
        await trio.sleep(0.5)
        looked.error = ZeroDivisionError("a secret")
        with capture_logs() as logs:
            await trio.sleep(1.0)
        assert [one["event"] for one in logs] == ["look_failed"]
        looked.error, looked.takes_s = None, live.LOOK_S + 1
        await trio.sleep(live.LOOK_S + 1.2)
        looked.takes_s = 0.0
        await trio.sleep(live.LOOK_S + 1)
        troubles = [body for event, body in page.shown if event == "trouble"]
        assert troubles[0] == b'{"trouble":"away"}' and troubles[1] == b'{"trouble":"internal error"}'
        assert b"no answer within" in troubles[2]
        assert page.shown[-1] == ("shown", b"all")
        nursery.cancel_scope.cancel()


@pytest.mark.bound("pages of operators that are shown how things are")
async def test_so_many_may_watch_and_no_more(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "ONLOOKERS_MAX", 2)
    board = LiveBoard(Looked().look, pace_s=lambda what: 1.0)
    with pytest.raises(Overloaded):
        board.watch("", Page())  # it does not run
    async with trio.open_nursery() as nursery:
        await nursery.start(board.run)
        one = Page()
        board.watch("", one)
        board.watch("room:a", Page())
        with pytest.raises(Overloaded):
            board.watch("room:a", Page())
        board.leave("", one)
        board.watch("room:a", Page())
        nursery.cancel_scope.cancel()


async def test_after_a_crash_those_who_watch_are_shown_things_again(autojump_clock: MockClock) -> None:
    board = LiveBoard(Looked().look, pace_s=lambda what: 1.0)
    page = Page()
    async with trio.open_nursery() as nursery:
        await nursery.start(board.run)
        board.watch("", page)
        await trio.sleep(0.5)
        nursery.cancel_scope.cancel()
    async with trio.open_nursery() as nursery:
        await nursery.start(board.run)
        await trio.sleep(0.5)
        assert len(page.shown) == 2
        nursery.cancel_scope.cancel()
