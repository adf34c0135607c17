"""Parting from all, before a user is forgotten."""

from typing import Any

import pytest

from greenroom.actors.jobs.retry import Retry
from greenroom.actors.social.follows import edges
from greenroom.actors.social.follows.messages import Accept, Follow, Part, Parted, SetPrivate
from greenroom.actors.social.follows.parting import LOOK_S, PASSES_MAX, STILL, PartedFromAll, PartFromAll
from greenroom.actors.social.follows.views import Followers
from greenroom.store.views.asked import Asked, Rows
from greenroom.testing import JobKit
from tests.actors.social.follows.people import People


def follow(people: People, *edges_wanted: tuple[str, str]) -> None:
    for user, author in edges_wanted:
        people.say(user, Follow(user=author))
        people.settle()


def part(people: People, user: str, *followers: str) -> Parted:
    """By the job."""
    parted = people.kits[user].ask(Part(followers=list(followers)))
    people._post(user)
    people.settle()
    return parted


def counts(people: People) -> dict[str, int]:
    """Each is that of the edges."""
    for user, kit in people.kits.items():
        there = sum(user in one.state.following for one in people.kits.values())
        assert kit.state.followers == there, f"{user} counts {kit.state.followers}, of {there}"
    return {user: kit.state.followers for user, kit in people.kits.items()}


def test_who_parts_is_counted_by_nobody_and_counts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edges, "PARTED_MAX", 2)
    people = People("ann", "bob", "cyd", "dan")
    people.say("dan", SetPrivate(private=True))
    follow(people, ("ann", "bob"), ("ann", "cyd"), ("ann", "dan"), ("bob", "ann"), ("cyd", "ann"), ("bob", "cyd"))
    assert people.kits["ann"].state.asked
    assert part(people, "ann", "bob", "cyd") == Parted(left=2, more=True, followers=2), "who is cut has yet to hear so"
    assert part(people, "ann") == Parted(left=1, more=False, followers=0)
    assert part(people, "ann") == Parted(left=0, more=False, followers=0)
    assert counts(people) == {"ann": 0, "bob": 0, "cyd": 1, "dan": 0}
    assert not people.kits["dan"].state.pending
    assert people.feeds["ann"].follows == people.feeds["bob"].follows - {"cyd"} == set()


def test_nobody_comes_in_meanwhile() -> None:
    people = People("ann", "bob", "cyd")
    people.say("ann", SetPrivate(private=True))
    follow(people, ("bob", "ann"))
    part(people, "ann")
    assert people.notices["ann"] == {}
    assert not people.kits["bob"].state.asked and not people.kits["ann"].state.pending, "it was declined"
    follow(people, ("cyd", "ann"))
    assert counts(people)["ann"] == 0 and people.kits["ann"].state.pending, "and who comes now asks"
    people.say("ann", Accept(user="cyd"))
    people.settle()
    part(people, "ann", "cyd")
    assert counts(people)["ann"] == 0


def test_an_open_account_becomes_private() -> None:
    people = People("ann", "bob")
    part(people, "ann")
    follow(people, ("bob", "ann"))
    assert counts(people)["ann"] == 0 and people.kits["ann"].state.private


class Ann:
    """Whom the job asks, and what rows say meanwhile."""

    def __init__(self, *followers: str, followed: int = 0) -> None:
        self.jobs = JobKit(PartFromAll)
        self.rows = list(followers)
        self.counted = len(followers)
        self.followed = followed
        self.falls_by = 1  # at each look
        self.cut: list[list[str]] = []
        self.jobs.when_queried(Followers.Row, self._find)
        self.jobs.when_asked("follows:ann", self._part)

    def _find(self, key: str, asked: Asked) -> Rows[Any]:
        first = int(asked.after or 0)
        found = [Followers.Row(key, user) for user in self.rows[first : first + 2]]
        return Rows(found, next=str(first + 2) if first + 2 < len(self.rows) else None)

    def _part(self, message: Part) -> Parted:
        parted = Parted(left=min(2, self.followed), more=self.followed > 2, followers=self.counted)
        self.followed -= parted.left
        self.counted = max(0, self.counted - self.falls_by)
        if message.followers:
            self.cut.append(message.followers)
        return parted

    def run(self) -> PartedFromAll:
        return PartedFromAll(**self.jobs.run(PartFromAll(user="ann")).result)


def test_the_job_goes_by_the_number_and_cuts_nobody_twice_whose_row_is_late() -> None:
    ann = Ann("u1", "u2", "u3", followed=3)
    began = ann.jobs.now
    assert ann.run() == PartedFromAll(followed=3, followers=3)
    assert ann.cut == [["u1", "u2"], ["u3"]], "their rows are there still"
    assert ann.jobs.now == began + (2 + STILL) * LOOK_S


def test_whom_its_user_follows_are_left_without_cutting_the_first_again() -> None:
    ann = Ann("u1", followed=9)
    assert ann.run() == PartedFromAll(followed=9, followers=1)
    assert ann.cut == [["u1"]]


def test_rows_are_gone_through_again_where_the_number_falls_no_more() -> None:
    """As who had just come in, and had no row yet."""
    ann = Ann("u1")
    ann.counted = 2
    ann.falls_by = 0

    def parted(message: Part) -> Parted:
        found = ann._part(message)
        if len(ann.cut) == 2 and ann.counted:
            ann.falls_by = 2
        return found

    ann.jobs.when_asked("follows:ann", parted)
    assert ann.run() == PartedFromAll(followed=0, followers=2)
    assert ann.cut == [["u1"], ["u1"]]


def test_a_node_of_the_release_before_says_no_number_and_that_is_not_none(monkeypatch: pytest.MonkeyPatch) -> None:
    ann = Ann("u1", followed=1)
    monkeypatch.setattr(PartFromAll, "retry", Retry(attempts=1))
    ann.jobs.when_asked("follows:ann", lambda message: Parted(left=0, more=False))
    assert ann.jobs.run(PartFromAll(user="ann")).state == "failed"


def test_it_fails_where_some_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as followers who were forgotten, and did not part: no row names them."""
    ann = Ann()
    ann.counted, ann.falls_by = 2, 0
    monkeypatch.setattr(PartFromAll, "retry", Retry(attempts=1))
    began = ann.jobs.now
    ended = ann.jobs.run(PartFromAll(user="ann"))
    assert ended.state == "failed" and "2 are left" in ended.errors[0]
    assert ann.jobs.now == began + PASSES_MAX * STILL * LOOK_S
