"""Parting from all, before a user is forgotten."""

from typing import Any

import pytest

from greenroom.actors.social.follows import edges
from greenroom.actors.social.follows.messages import Accept, Follow, Part, Parted, SetPrivate
from greenroom.actors.social.follows.parting import ON_ITS_WAY_S, ROWS_S, PartedFromAll, PartFromAll
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
    assert part(people, "ann", "bob", "cyd") == Parted(left=2, more=True)
    assert part(people, "ann") == Parted(left=1, more=False)
    assert part(people, "ann") == Parted(left=0, more=False)
    assert counts(people) == {"ann": 0, "bob": 0, "cyd": 1, "dan": 0}
    assert not people.kits["dan"].state.pending
    assert people.feeds["ann"].follows == people.feeds["bob"].follows - {"cyd"} == set()


def test_nobody_comes_in_meanwhile() -> None:
    people = People("ann", "bob", "cyd")
    people.say("ann", SetPrivate(private=True))
    follow(people, ("bob", "ann"))
    part(people, "ann")
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


def test_the_job_goes_on_until_there_is_nobody() -> None:
    """Of pages, and of rows that are late."""
    jobs = JobKit(PartFromAll)
    there, left, said = ["u1", "u2", "u3"], [2, 1], list[list[str]]()

    def rows(key: str, asked: Asked) -> Rows[Any]:
        first = int(asked.after or 0)
        found = [Followers.Row(key, user) for user in there[first : first + 2]]
        return Rows(found, next=str(first + 2) if first + 2 < len(there) else None)

    def parted(message: Part) -> Parted:
        said.append(message.followers)
        if len(said) == 4:
            there.clear()  # their rows are gone
        count = left.pop(0) if left else 0
        return Parted(left=count, more=bool(left))

    jobs.when_queried(Followers.Row, rows)
    jobs.when_asked("follows:ann", parted)
    began = jobs.now
    assert PartedFromAll(**jobs.run(PartFromAll(user="ann")).result) == PartedFromAll(followed=3, followers=3)
    assert said == [["u1", "u2"], ["u3"], ["u1", "u2"], ["u3"], []]
    assert jobs.now == began + 2 * ROWS_S + ON_ITS_WAY_S
