"""Jobs that are done before an entity is forgotten."""

from typing import Any, ClassVar

import msgspec
import pytest

from greenroom import Job, Subject
from greenroom.actors.identity import Session
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.model.kinds import BadEntityClass, Kinds
from greenroom.actors.model.notice import Push
from greenroom.store.erasure.erasures import PostgresErasures
from greenroom.supervisors.erasure.first import First, NotFirst
from greenroom.supervisors.erasure.users import Did, ForgettingUser
from tests.supervisors.erasure.test_users import ANN, Guestbook, books, write
from tests.supervisors.views.stage import Stage

ADDED = "SELECT id, convert_from(arguments, 'UTF8'), priority FROM jobs"
TAKEN = """
INSERT INTO job_takes (queue, token, worker, at_ms, ids) SELECT queue, let_go + 1, 'w', 0, ARRAY[id] FROM jobs
"""
UP, DOWN = (f"UPDATE nodes SET lease_until = clock_timestamp() + '{s} s'" for s in (60, -1))


class SayGoodbye(Job, queue="goodbyes", tag="job.say_goodbye"):
    user: Subject
    before_forgetting: ClassVar[str] = "book"

    async def run(self, work: Any) -> None: ...


class Other(Job, queue="goodbyes", tag="job.other"):
    user: Subject

    async def run(self, work: Any) -> None: ...


class Diary(Guestbook):
    kind = "diary"
    key_is_user = True
    base_tags = "book"


class Leave(Job, queue="goodbyes", tag="job.leave"):
    user: Subject
    before_forgetting: ClassVar[str] = "diary"

    async def run(self, work: Any) -> None: ...


def first(node: Stage) -> First:
    return First(node.pool, Jobs([SayGoodbye, Other]), lambda *_: None, patience_s=0.0)


async def test_nothing_goes_on_before_they_are_through_and_each_is_added_once(database_url: str) -> None:
    async with books(database_url) as node:
        await write(node, "ann", "ann", "hello")
        for _ in range(2):
            with pytest.raises(
                NotFirst, match=r"nobody goes on with job\.say_goodbye: .* the queue goodbyes"
            ) as raised:
                await first(node).run("book:ann")
        ((job, arguments, priority),) = await node.pool.fetch(ADDED)
        assert arguments == '{"user": "ann"}' and priority == 0, "it waits behind nothing else"
        assert f"`greenroom jobs cancel {job.hex}`" in str(raised.value), "it is there still"


class Looked(Exception):
    """So often that it waits."""


def waiting(node: Stage, *, looks: int = 4) -> First:
    left = looks

    def looked(*_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Looked

    return First(node.pool, Jobs([SayGoodbye]), looked, patience_s=0.0)


@pytest.mark.parametrize(
    ("made", "is_waited_for"),
    [
        (("UPDATE jobs SET attempts = 1",), False),  # and its server has ended
        (("UPDATE jobs SET attempts = 1, due_ms = 1::bigint << 52",), True),  # it is to be tried again
        ((TAKEN, UP), True),
        ((TAKEN, DOWN), False),  # with all servers
    ],
)
async def test_who_goes_on_with_it_is_waited_for_and_who_can_not_any_more_is_not(
    database_url: str, made: tuple[str, ...], is_waited_for: bool
) -> None:
    """Rows are made what a worker would have made them: nobody works on the queue."""
    async with books(database_url) as node:
        await write(node, "ann", "ann", "hello")
        with pytest.raises(NotFirst):
            await first(node).run("book:ann")
        for statement in made:
            await node.pool.fetch(statement)
        with pytest.raises(Looked if is_waited_for else NotFirst) as raised:
            await waiting(node).run("book:ann")
        is_in_hand = TAKEN in made  # which cannot be erased
        assert is_waited_for or ("`greenroom forget job:" in str(raised.value)) != is_in_hand


async def test_nothing_of_a_user_is_erased_before_all_that_comes_first_is_done(database_url: str) -> None:
    """Kinds are erased in their order, and the one with which nobody goes on is not the first."""
    async with books(database_url) as node:
        kinds = Kinds([Session, Diary])
        await write(node, ANN, ANN, "hello")
        await node.pool.fetch("UPDATE heads SET entity = $1", f"diary:{ANN}")
        await node.kernel.router.ask(f"session:{ANN}", Push(data="hello"))
        erasures = PostgresErasures(node.pool)
        did = msgspec.json.encode(Did(alias="forgotten-1")).decode()
        erasure = await erasures.begin_user(ANN, reason="asked to", asked_by="bob", did=did)
        jobs = Jobs([Leave])
        with pytest.raises(NotFirst):
            await ForgettingUser(node.pool, kinds, ANN, erasure, lambda *_: None, jobs=jobs, patience_s=0.0).run()
        assert await erasures.find(f"session:{ANN}") is None
        left = ForgettingUser(node.pool, kinds, ANN, erasure, lambda *_: None, jobs=jobs, comes_first=False)
        await left.run()
        assert await erasures.find(f"session:{ANN}") is not None


async def test_of_what_there_is_not_and_of_what_has_begun_to_be_forgotten_nothing_comes_first(
    database_url: str,
) -> None:
    async with books(database_url) as node:
        await write(node, "ann", "ann", "hello")
        await first(node).run("book:nobody")
        await first(node).run("session:ann")
        assert await PostgresErasures(node.pool).begin("book:ann", reason="asked to", asked_by="bob") is not None
        await first(node).run("book:ann")
        assert await node.pool.fetch(ADDED) == []


def test_it_is_given_a_user_and_needs_nothing_else() -> None:
    class Wrong(Job, queue="goodbyes", tag="job.wrong"):
        user: Subject
        text: str
        before_forgetting: ClassVar[str] = "book"

        async def run(self, work: Any) -> None: ...

    with pytest.raises(BadEntityClass, match="needs a field `user`"):
        Jobs([Wrong])
