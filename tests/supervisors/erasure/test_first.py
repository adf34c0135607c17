"""Jobs that are done before an entity is forgotten."""

from typing import Any, ClassVar

import pytest

from greenroom import Job, Subject
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.model.kinds import BadEntityClass
from greenroom.store.erasure.erasures import PostgresErasures
from greenroom.store.erasure.remaking import Waits
from greenroom.supervisors.erasure.first import First
from tests.supervisors.erasure.test_users import books, write
from tests.supervisors.views.stage import Stage

ADDED = "SELECT convert_from(arguments, 'UTF8') FROM jobs"


class SayGoodbye(Job, queue="goodbyes", tag="job.say_goodbye"):
    user: Subject
    before_forgetting: ClassVar[str] = "book"

    async def run(self, work: Any) -> None: ...


class Other(Job, queue="goodbyes", tag="job.other"):
    user: Subject

    async def run(self, work: Any) -> None: ...


def first(node: Stage) -> First:
    return First(node.pool, Jobs([SayGoodbye, Other]), lambda *_: None, patience_s=0.0)


async def test_nothing_goes_on_before_they_are_through_and_each_is_added_once(database_url: str) -> None:
    async with books(database_url) as node:
        await write(node, "ann", "ann", "hello")
        for _ in range(2):
            with pytest.raises(Waits, match=r"nobody begins with job\.say_goodbye: .* the queue goodbyes"):
                await first(node).run("book:ann")
        ((arguments,),) = await node.pool.fetch(ADDED)
        assert arguments == '{"user": "ann"}'


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
