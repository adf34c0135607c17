"""Forgetting a user: entities stay, numbered as they were, and nothing in the database names the user any more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio
from msgspec import Struct

from greenroom import Actor, Ask, Event, Key, Origin, Personal, Subject, View
from greenroom.actors.identity import Session
from greenroom.actors.model.errors import Forgotten
from greenroom.actors.model.notice import Push
from greenroom.actors.model.principal import Principal
from greenroom.store.erasure.erasures import PostgresErasures, name_of_user
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.store.journal.dead_letters_postgres import PostgresDeadLetters
from greenroom.supervisors.duties.forgetting import Forgetting
from greenroom.supervisors.erasure.users import Did, ForgettingUser
from tests.store.erasure.database import places_of
from tests.supervisors.views.stage import Stage, stage

ANN = "ann-of-green-gables"
SECRET = "kindred spirit"


class Page(Struct):
    lines: int


class Write(Ask[Page], tag="book.write"):
    author: str
    text: str


class Written(Event, tag="book.written"):
    author: Subject
    text: Personal[str]


class Book(Struct):
    lines: int = 0
    by: dict[Subject, int] = {}


class Guestbook(Actor[Book]):
    kind = "book"
    commands = (Write,)
    events = (Written,)

    def handle(self, message: Write) -> Page:
        self.record(Written(author=message.author, text=message.text))
        return Page(self.state.lines)

    def apply(self, event: Written) -> None:
        self.state.lines += 1
        self.state.by[event.author] = self.state.by.get(event.author, 0) + 1

    def view(self) -> Book:
        return self.state


class Authors(View, name="authors"):
    of = (Written,)

    class Row(Struct):
        author: Key[str]
        lines: int = 0
        last: str = ""

    def fold(self, event: Written, of: Origin) -> None:
        row = self.row(author=event.author)
        row.lines += 1
        row.last = event.text


@asynccontextmanager
async def books(database_url: str) -> AsyncIterator[Stage]:
    async with stage(database_url, Authors, kinds=(Guestbook, Session)) as node, trio.open_nursery() as nursery:
        erasures = PostgresErasures(node.pool)
        duty = Forgetting(erasures, node.kernel, incarnation=node.number, unwatch=lambda _: None)
        await nursery.start(duty.run)
        yield node
        nursery.cancel_scope.cancel()


async def write(node: Stage, book: str, author: str, text: str) -> Page:
    who = Principal(user=author, info=msgspec.json.encode({"user": author, "client": "c"}))
    return await node.kernel.router.ask(
        f"book:{book}", Write(author=author, text=text), principal=who, command_id=f"user {len(author)} {author} {text}"
    )


async def forget(node: Stage, pool: Any = None) -> dict[str, Any]:
    erasures = PostgresErasures(node.pool)
    did = msgspec.json.encode(Did(alias="forgotten-1")).decode()
    erasure = await erasures.begin_user(ANN, reason="asked to", asked_by="bob", did=did)
    await ForgettingUser(pool or node.pool, node.kinds, ANN, erasure, lambda *_: None).run()
    done = await erasures.find(name_of_user(ANN))
    assert done is not None and done.done_ms is not None
    told: dict[str, Any] = msgspec.json.decode(done.did)
    return told


async def fill(node: Stage) -> None:
    for number in range(3):
        await write(node, "a", ANN, f"{SECRET} {number}")
        await write(node, "a", "bob", f"line {number}")
    await write(node, "b", "bob", "alone")
    await node.kernel.router.ask(f"session:{ANN}", Push(data=SECRET))
    letter = DeadLetter.of("book:a", Write(author=ANN, text=SECRET), ANN, ValueError(SECRET), None, 3)
    await PostgresDeadLetters(node.pool).add(letter)
    ((head_id, fence),) = await node.pool.fetch("SELECT id, fence FROM heads WHERE entity = 'book:a'")
    state = msgspec.json.encode(Book(6, {ANN: 3, "bob": 3}))
    assert await node.journal.save_snapshot(head_id, fence=fence, offset=6, body=state)
    await node.folded("authors")


async def test_nothing_in_the_database_names_them(database_url: str) -> None:
    async with books(database_url) as node:
        await fill(node)
        assert len(await places_of(node.pool, ANN)) >= 8
        told = await forget(node)
        assert await places_of(node.pool, ANN) == []
        assert await places_of(node.pool, SECRET) == []
        assert told["left"] == {} and told["events"] == 3 and told["kinds"] == ["book"]


async def test_entities_go_on_with_what_they_are(database_url: str) -> None:
    async with books(database_url) as node:
        await fill(node)
        before = await node.pool.fetch("SELECT epoch FROM heads WHERE entity = 'book:a'")
        await forget(node)
        head, events = await node.journal.read("book:a", limit=100)
        assert head is not None and [one.offset for one in events] == [1, 2, 3, 4, 5, 6]
        assert await node.rows("authors") == [("bob", 4, "line 2"), ("forgotten-1", 3, "")] or await node.rows(
            "authors"
        ) == [("bob", 4, "alone"), ("forgotten-1", 3, "")]
        assert (await write(node, "a", "bob", "more")).lines == 7  # by a life that was built from them
        assert node.kernel._cells["book:a"].actor.state.by == {"forgotten-1": 3, "bob": 4}  # type: ignore[union-attr]
        assert await node.pool.fetch("SELECT epoch FROM heads WHERE entity = 'book:a'") != before
        with pytest.raises(Forgotten):
            await node.kernel.router.ask(f"session:{ANN}", Push(data=1))


async def test_an_entity_without_its_older_events_has_a_state_without_them(database_url: str) -> None:
    async with books(database_url) as node:
        await fill(node)
        await node.pool.fetch("DELETE FROM journal WHERE id IN (SELECT id FROM heads WHERE entity = 'book:a')")
        await node.pool.fetch("UPDATE heads SET trimmed = 6 WHERE entity = 'book:a'")
        told = ForgettingUser(
            node.pool,
            node.kinds,
            ANN,
            await PostgresErasures(node.pool).begin_user(
                ANN, reason="x", asked_by="x", did=msgspec.json.encode(Did(alias="forgotten-1")).decode()
            ),
            lambda *_: None,
        )
        await told._pass()
        ((body,),) = await node.pool.fetch("SELECT body FROM snapshots")
        assert msgspec.json.decode(body, type=Book) == Book(6, {"forgotten-1": 3, "bob": 3})


class Ended(Exception):
    """The process was ended here."""


async def test_it_is_gone_on_with_wherever_it_was_ended(database_url: str) -> None:
    async with books(database_url) as node:
        await fill(node)
        steps = 0
        while True:
            left = steps

            class Short:
                """A pool that ends after so many uses."""

                async def fetch(self, sql: str, *args: object) -> Any:
                    self.count()
                    return await node.pool.fetch(sql, *args)

                @asynccontextmanager
                async def connection(self) -> AsyncIterator[Any]:
                    self.count()
                    async with node.pool.connection() as connection:
                        yield connection

                def count(self) -> None:
                    nonlocal left
                    if left == 0:
                        raise Ended
                    left -= 1

            try:
                told = await forget(node, Short())
            except Ended:
                steps += 5
                continue
            break
        assert steps > 15
        assert await places_of(node.pool, ANN) == []
        assert told["events"] == 3
