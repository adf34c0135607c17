"""Dead letters, over both implementations: kept with their reason, newest first, within a bound."""

from collections.abc import AsyncIterator, Callable

import pytest
from msgspec import Struct
from msgspec.structs import replace

from store.bridge import Bridge
from store.dead_letters import TEXT_CHARACTERS_MAX, DeadLetter, DeadLetters
from store.dead_letters_memory import MemoryDeadLetters
from store.dead_letters_postgres import PostgresDeadLetters
from store.pool import Pool

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
    monkeypatch.setattr("store.dead_letters_postgres.KEPT_MAX", 5)
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
    assert await letters.drop(listed.id)
    assert await letters.get(listed.id) is None
    assert not await letters.drop(listed.id)


async def test_the_newest_come_first_a_page_at_a_time_and_the_oldest_go(letters: DeadLetters) -> None:
    for strikes in range(8):
        await letters.add(replace(LETTER, strikes=strikes))
    first = await letters.list(limit=3)
    second = await letters.list(limit=3, before=first[-1].id)
    assert [letter.strikes for letter in first + second] == [7, 6, 5, 4, 3]


async def test_text_that_a_database_would_refuse_is_kept_all_the_same(letters: DeadLetters) -> None:
    await letters.add(replace(LETTER, error="a \x00 b \ud800", traceback="\x00", principal="\udcff"))
    (listed,) = await letters.list(limit=1)
    assert listed.error.startswith("a ")


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
