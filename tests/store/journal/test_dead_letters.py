"""Dead letters, over both implementations: kept with their reason, newest first, within a bound."""

from collections.abc import AsyncIterator, Callable

import pytest
from msgspec import Struct
from msgspec.structs import replace

from greenroom.store.journal.dead_letters import TEXT_CHARACTERS_MAX, Census, DeadLetter, DeadLetters, Which
from greenroom.store.journal.dead_letters_memory import MemoryDeadLetters
from greenroom.store.journal.dead_letters_postgres import TRIM, PostgresDeadLetters, _where
from greenroom.store.ownership.sharding import SHARDS, shard_of
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool

LETTER = DeadLetter(
    entity="room:a",
    message_type="room.send",
    payload=b'{"type":"room.send","text":"hi"}',
    principal="ann",
    error="ValueError('x')",
    traceback="Traceback ...",
    trace="00-trace-01",
    strikes=3,
)


class Ping(Struct, tag="test.ping"):
    text: str


@pytest.fixture
async def postgres(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PostgresDeadLetters]:
    monkeypatch.setattr("greenroom.store.journal.dead_letters_postgres.KEPT_MAX", 5)
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1, size=1) as pool:
        yield PostgresDeadLetters(pool)


@pytest.fixture
async def memory() -> MemoryDeadLetters:
    return MemoryDeadLetters(kept_max=5)


@pytest.fixture(params=["memory", "postgres"])
def letters(request: pytest.FixtureRequest) -> DeadLetters:
    letters: DeadLetters = request.getfixturevalue(request.param)
    return letters


async def test_one_comes_back_as_it_was_until_it_is_dropped(letters: DeadLetters) -> None:
    await letters.add(LETTER)
    (listed,) = await letters.list(limit=10)
    assert replace(listed, id=0, at_ms=0) == LETTER
    assert await letters.get(listed.id) == listed
    this = Which(ids=(listed.id,))
    assert await letters.drop(this) == 1
    assert await letters.get(listed.id) is None
    assert await letters.drop(this) == 0


async def test_the_newest_come_first_a_page_at_a_time_and_the_oldest_go(letters: DeadLetters) -> None:
    for strikes in range(8):
        await letters.add(replace(LETTER, strikes=strikes))
    first = await letters.list(limit=3)
    second = await letters.list(limit=3, before=first[-1].id)
    assert [letter.strikes for letter in (*first, *second)] == [7, 6, 5, 4, 3]


async def test_one_that_is_added_again_under_its_key_is_there_once(letters: DeadLetters) -> None:
    """Whoever lost the answer of the first time adds it again."""
    for key in (7, 7, 2**63 - 1, None, None):
        await letters.add(LETTER, key=key)
    assert len(await letters.list(limit=10)) == 4
    number = (await letters.list(limit=1))[0].id
    for key in (8, 8, 9):
        await letters.add(replace(LETTER, id=number, strikes=1), key=key)
    again = await letters.get(number)
    assert again is not None
    assert again.strikes == LETTER.strikes + 2


async def test_letters_are_chosen_by_id_entity_kind_and_type(letters: DeadLetters) -> None:
    for entity, message_type in (("room:a", "x.y"), ("room:b", "x.y"), ("rooms:a", "x.z"), ("bank:a", "x.y")):
        await letters.add(replace(LETTER, entity=entity, message_type=message_type))
    bank, rooms, b, a = await letters.list(limit=10)
    for which, expected in (
        (Which(), [bank, rooms, b, a]),
        (Which(ids=(b.id, rooms.id, 999_999)), [rooms, b]),
        (Which(entity="room:a"), [a]),
        (Which(kind="room"), [b, a]),
        (Which(message_type="x.z"), [rooms]),
        (Which(kind="room", message_type="x.z"), []),
        (Which(entity="\0 \ud800"), []),
    ):
        assert await letters.list(limit=10, which=which) == expected
    assert await letters.list(limit=1, before=b.id, which=Which(kind="room")) == [a]
    assert await letters.drop(Which(kind="room")) == 2
    assert await letters.list(limit=10) == [bank, rooms]


async def test_one_that_is_wished_for_stays_so_until_it_is_refused_replaced_or_dropped(letters: DeadLetters) -> None:
    for _ in range(4):
        await letters.add(LETTER)
    ids = [letter.id for letter in reversed(await letters.list(limit=10))]
    assert await letters.wish(Which(ids=tuple(ids[:3]))) == ids[:3]
    assert [letter.id for letter in await letters.wished(limit=2)] == ids[:2]
    mine = frozenset({shard_of(LETTER.entity, SHARDS)})
    others = frozenset(range(SHARDS)) - mine
    assert [letter.id for letter in await letters.wished(limit=2, shards=mine)] == ids[:2]
    assert await letters.wished(limit=2, shards=others) == []
    await letters.refused(ids[0], "in vain \0")
    await letters.add(replace(LETTER, id=ids[1], error="again", traceback="another", strikes=2))
    await letters.drop(Which(ids=(ids[2],)))
    assert await letters.wished(limit=10) == []
    found = {letter.id: letter for letter in await letters.list(limit=10)}
    assert sorted(found) == [ids[0], ids[1], ids[3]]
    assert found[ids[0]].error.startswith("in vain") and found[ids[0]].traceback == LETTER.traceback
    replaced = found[ids[1]]
    assert (replaced.error, replaced.traceback, replaced.strikes) == ("again", "another", LETTER.strikes + 2)


async def test_a_census_says_how_many_there_are_and_what_is_new(letters: DeadLetters) -> None:
    assert await letters.census(after=0) == Census(stored=0, last_id=0)
    await letters.add(LETTER)
    seen = (await letters.census(after=0)).last_id
    for entity in ("bank:a", "bank:b", "room:a"):
        await letters.add(replace(LETTER, entity=entity))
    found = await letters.census(after=seen)
    assert (found.stored, found.since, found.common) == (4, 3, ("bank", "room.send", 2))
    assert found.minute in (3, 4) and found.last_id > seen
    assert (await letters.census(after=found.last_id)).common is None


async def test_text_that_a_database_would_refuse_is_kept_all_the_same(letters: DeadLetters) -> None:
    await letters.add(replace(LETTER, error="a \x00 b \ud800", traceback="\x00", principal="\udcff"))
    (listed,) = await letters.list(limit=1)
    assert listed.error.startswith("a ")


class Opaque(Struct, tag="test.opaque"):
    act: Callable[[], None]


def test_a_message_that_json_has_no_words_for_is_a_letter_too() -> None:
    def act() -> None: ...

    for error in (ValueError("boom"), ValueError("x" * 2 * TEXT_CHARACTERS_MAX)):
        letter = DeadLetter.of("room:a", Opaque(act), "ann", error, None, 2)
        assert (letter.message_type, letter.payload) == ("test.opaque", b"")
        assert letter.error.startswith(repr(error)[:1_000]) and "fields can't be kept: TypeError" in letter.error
        assert len(letter.error) <= TEXT_CHARACTERS_MAX


def test_a_letter_of_a_failure_has_the_tag_the_message_and_a_bounded_traceback() -> None:
    def fail(depth: int) -> None:
        raise ValueError("x" * 2 * TEXT_CHARACTERS_MAX) if depth == 0 else RuntimeError("deeper")

    raised: Callable[[], None] = lambda: fail(0)  # noqa: E731
    with pytest.raises(ValueError) as caught:
        raised()
    letter = DeadLetter.of("room:a", Ping("hi"), "ann", caught.value, None, 2)
    assert letter.message_type == "test.ping"
    assert letter.payload == b'{"type":"test.ping","text":"hi"}'
    assert len(letter.error) == len(letter.traceback) == TEXT_CHARACTERS_MAX
    assert letter.strikes == 2


@pytest.mark.bound("dead letters kept")
async def test_those_beyond_the_bound_go_some_at_a_time(
    postgres: PostgresDeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that came with an append are counted by nobody, and may be many."""
    monkeypatch.setattr("greenroom.store.journal.dead_letters_postgres.TRIMMED_MAX", 2)
    monkeypatch.setattr("greenroom.store.journal.dead_letters_postgres.KEPT_MAX", 100)
    for strikes in range(11):
        await postgres.add(replace(LETTER, strikes=strikes))
    monkeypatch.setattr("greenroom.store.journal.dead_letters_postgres.KEPT_MAX", 5)
    asked: list[str] = []
    fetch = postgres._fetch

    async def counting(sql: str, *args: object) -> object:
        asked.append(sql)
        return await fetch(sql, *args)

    monkeypatch.setattr(postgres, "_fetch", counting)
    assert (await postgres.census(after=0)).stored == 5
    assert asked.count(TRIM) == 4
    assert [letter.strikes for letter in await postgres.list(limit=10)] == [10, 9, 8, 7, 6]


@pytest.mark.parametrize(
    ("which", "before"),
    [
        (Which(entity="room:a"), None),
        (Which(entity="room:a"), 50),
        (Which(entity="room:a", message_type="room.send"), None),
    ],
)
async def test_those_of_one_entity_are_found_by_their_index(
    database_url: str, which: Which, before: int | None
) -> None:
    where, arguments = _where(which, before=before)
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1, size=1) as pool:
        for sql in (
            f"SELECT id FROM dead_letters {where} ORDER BY id DESC LIMIT 10",
            f"DELETE FROM dead_letters {where}",
        ):
            plan = "\n".join(row[0] for row in await pool.fetch(f"EXPLAIN {sql}", *arguments))
            assert "dead_letters_entity" in plan, plan


async def test_every_condition_that_is_given_counts(letters: DeadLetters) -> None:
    for entity, message_type in (("room:a", "room.send"), ("room:a", "room.edit"), ("poll:a", "room.send")):
        await letters.add(replace(LETTER, entity=entity, message_type=message_type))
    listed = {(one.entity, one.message_type): one.id for one in await letters.list(limit=9)}
    first = listed["room:a", "room.send"]
    for which, count in (
        (Which(), 3),
        (Which(entity="room:a"), 2),
        (Which(kind="poll"), 1),
        (Which(message_type="room.send"), 2),
        (Which(kind="room", message_type="room.send"), 1),
        (Which(ids=(first,), entity="room:a"), 1),
        (Which(ids=(first,), entity="poll:a"), 0),
        (Which(ids=tuple(listed.values()), kind="room"), 2),
    ):
        assert len(await letters.list(limit=9, which=which)) == count, which
        assert len(await letters.wish(which)) == count, which
    assert len(await letters.list(limit=9, before=first + 1, which=Which(kind="room"))) == 1
