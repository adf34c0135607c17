"""The record of a fan-out: each page once, and each independent of the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom import Refused
from greenroom.actors.social.spread import actor
from greenroom.actors.social.spread.actor import Spread
from greenroom.actors.social.spread.events import PageWritten
from greenroom.actors.social.spread.jobs import SpreadPage
from greenroom.actors.social.spread.messages import Begin, Decided, Stretch, WritePage, WriteTo
from greenroom.testing import Kit

POST = "0" * 32


def begun(*, is_written: bool = True) -> Kit[Spread]:
    kit = Kit(Spread, key=POST)
    kit.ask(Begin(author="bob", at_ms=7, is_written=is_written))
    return kit


def page(name: str, kept: list[str], shed: list[str] | None = None) -> WritePage:
    return WritePage(page=name, author="bob", at_ms=7, kept=kept, shed=shed or [])


def test_each_stretch_is_a_job_of_its_own() -> None:
    kit = begun()
    stretches = [Stretch("a", "k"), Stretch("k", "", "cursor")]
    kit.ask(WriteTo(stretches=stretches))
    assert [one.job for one in kit.started] == [
        SpreadPage(post=POST, author="bob", at_ms=7, stretch=stretch) for stretch in stretches
    ]
    kit.ask(WriteTo(stretches=stretches))
    assert len(kit.started) == 2, "planned once more after a crash, it is under way already"
    kit.restart(from_snapshot=True)


def test_a_stretch_that_is_cut_elsewhere_the_next_time_leaves_no_gap() -> None:
    kit = begun()
    kit.ask(WriteTo(stretches=[Stretch("a", "k")]))
    kit.ask(WriteTo(stretches=[Stretch("a", "m"), Stretch("m", "")]))
    covered = [(one.job.stretch.first, one.job.stretch.until) for one in kit.started if isinstance(one.job, SpreadPage)]
    assert covered == [("a", "k"), ("a", "m"), ("m", "")]


def test_what_was_decided_first_holds() -> None:
    kit = begun(is_written=False)
    assert kit.ask(Begin(author="bob", at_ms=9, is_written=True)) == Decided(is_written=False)
    kit.ask(WriteTo(stretches=[Stretch("a")]))
    assert (kit.state.is_written, kit.state.at_ms, kit.started) == (False, 7, [])
    with pytest.raises(Refused, match=r"spread\.not_begun"):
        Kit(Spread, key=POST).ask(WriteTo(stretches=[Stretch("a")]))


@pytest.mark.bound("stretches of followers that one post is written to")
def test_the_pages_of_one_post_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor, "PAGES_MAX", 1)
    kit = begun()
    with pytest.raises(Refused, match=r"spread\.too_many_pages"):
        kit.ask(WriteTo(stretches=[Stretch("a", "b"), Stretch("b")]))


def test_a_page_again_changes_nothing() -> None:
    kit = begun()
    kit.ask(page("1", ["a", "b"], ["c"]))
    kit.ask(page("1", ["a", "b"], ["c"]))
    assert len([one for one in kit.events if isinstance(one, PageWritten)]) == 1


@given(st.lists(st.tuples(st.sampled_from("123"), st.sets(st.sampled_from("abcdef"))), max_size=12))
def test_nobody_is_left_out_of_one_post_twice(pages: list[tuple[str, set[str]]]) -> None:
    kit = begun()
    for name, shed in pages:
        kit.ask(page(name, [], sorted(shed)))
    counted = [user for one in kit.events if isinstance(one, PageWritten) for user in one.shed]
    assert len(counted) == len(set(counted))
    kit.restart()


def test_clients_see_nothing_of_it() -> None:
    with pytest.raises(Refused, match=r"spread\.closed"):
        begun().watch(user="bob")
    assert begun().watch(user="bob", roles=("admin",))["is_written"]
