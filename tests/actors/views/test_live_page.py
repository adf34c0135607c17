"""A page in memory against the table it is of, whatever becomes of what it is told on the way."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from greenroom.actors.views import live_page
from greenroom.actors.views.live_page import Key, LivePage, PageRow

LIMIT, SPARE = 3, 2


def key(user: int) -> Key:
    return b'{"user":%d}' % user


def row(user: int, claps: int, revision: int) -> PageRow:
    return PageRow(key(user), (-claps, user), revision, b'{"user":%d,"claps":%d}' % (user, claps))


class Table:
    """What is stored of one key, with the changes that were told of it and have yet to arrive."""

    def __init__(self) -> None:
        self.rows: dict[int, PageRow] = {}
        self.revision = 0
        self.told: list[tuple[Key, int, PageRow | None]] = []

    def put(self, user: int, claps: int) -> None:
        self.revision += 1
        self.rows[user] = row(user, claps, self.revision)
        self.told.append((key(user), self.revision, self.rows[user]))

    def remove(self, user: int) -> None:
        self.revision += 1
        del self.rows[user]
        self.told.append((key(user), self.revision, None))

    def first(self, most: int) -> list[PageRow]:
        return sorted(self.rows.values(), key=lambda one: one.place)[:most]


def read(page: LivePage, table: Table) -> None:
    page.load(table.first(page.wanted), floor=table.revision)


def loaded(*claps: int) -> tuple[LivePage, Table]:
    """A page of users 1, 2, … with these claps, of which all was told long ago."""
    page, table = LivePage(LIMIT, spare=SPARE), Table()
    for user, times in enumerate(claps, 1):
        table.put(user, times)
    table.told = []
    read(page, table)
    page.flush()
    return page, table


def hear(page: LivePage, table: Table) -> None:
    for told in table.told:
        page.note(*told)
    table.told = []


class Watcher:
    """Knows of the page what it was told."""

    def __init__(self) -> None:
        self.rows: dict[Key, bytes] = {}

    def hear(self, page: LivePage) -> None:
        difference = page.flush()
        for key in difference.gone:
            del self.rows[key]
        for one in difference.set:
            self.rows[one.key] = one.json
            assert len(self.rows) <= LIMIT, "what leaves goes first"


def users(page: LivePage) -> list[int]:
    return [int(one[8:-1]) for one in page.shown]


def test_a_page_that_was_never_read_says_nothing() -> None:
    page = LivePage(LIMIT, spare=SPARE)
    page.note(key(1), 1, row(1, 5, 1))
    assert page.is_stale
    assert not page.flush()


def test_the_first_rows_are_said_and_then_what_differs() -> None:
    page, table = LivePage(LIMIT, spare=SPARE), Table()
    for user, claps in ((1, 10), (2, 30), (3, 20), (4, 5)):
        table.put(user, claps)
    read(page, table)
    assert [one.key for one in page.flush().set] == [key(2), key(3), key(1)]
    assert not page.flush()
    table.put(1, 40)
    hear(page, table)
    difference = page.flush()
    assert (difference.gone, [one.json for one in difference.set]) == ([], [b'{"user":1,"claps":40}'])
    assert users(page) == [1, 2, 3]


def test_a_row_that_is_pushed_off_the_page_is_gone() -> None:
    page, table = loaded(30, 20, 10)
    table.put(4, 25)
    hear(page, table)
    difference = page.flush()
    assert difference.gone == [key(3)]
    assert [one.key for one in difference.set] == [key(4)]


def test_a_row_that_moves_off_the_page_is_gone_and_the_next_one_moves_up() -> None:
    page, table = loaded(30, 20, 10, 5)
    table.put(1, 1)
    hear(page, table)
    difference = page.flush()
    assert difference.gone == [key(1)]
    assert [one.key for one in difference.set] == [key(4)]
    assert not page.is_stale, "a spare one was there"


def test_once_no_spare_one_is_left_the_page_is_read_again() -> None:
    page, table = loaded(*range(60, 0, -10))
    for user in (1, 2, 3):
        table.remove(user)
    hear(page, table)
    assert page.is_stale
    assert not page.flush()
    read(page, table)
    assert page.flush().gone == [key(1), key(2), key(3)]
    assert users(page) == [4, 5, 6]


def test_all_rows_of_a_short_page_are_known_and_it_is_not_read_again() -> None:
    page, table = loaded(30, 20)
    table.remove(1)
    table.remove(2)
    table.put(3, 1)
    hear(page, table)
    assert not page.is_stale
    assert (page.flush().gone, users(page)) == ([key(1), key(2)], [3])


def test_what_is_older_than_what_is_held_changes_nothing() -> None:
    page, table = loaded(30, 20)
    table.put(1, 40)
    table.put(1, 50)
    hear_backwards = table.told[::-1]
    for told in hear_backwards:
        page.note(*told)
    assert [one.json for one in page.flush().set] == [b'{"user":1,"claps":50}']


def test_a_removal_is_not_undone_by_what_was_before_it() -> None:
    page, table = loaded(30, 20)
    table.put(1, 40)
    table.remove(1)
    for told in table.told[::-1]:
        page.note(*told)
    assert page.flush().gone == [key(1)]
    assert not page.is_stale


def test_a_row_that_left_the_page_is_not_brought_back_by_what_was_before_it() -> None:
    page, table = loaded(30, 20, 10, 9, 8, 7)
    table.put(1, 31)
    table.put(1, 0)
    for told in table.told[::-1]:
        page.note(*told)
    page.flush()
    assert users(page) == [2, 3, 4]


def test_what_may_be_older_than_the_reading_has_it_read_again() -> None:
    """Set, removed, and read; then it is heard that it was set."""
    page, table = LivePage(LIMIT, spare=SPARE), Table()
    table.put(1, 10)
    table.remove(1)
    read(page, table)
    page.note(*table.told[0])
    assert page.is_stale


def test_an_older_removal_does_not_make_an_old_row_newer_than_the_reading() -> None:
    """Removed, set, removed again, and read; then the first two are heard of, late."""
    page, table = LivePage(LIMIT, spare=SPARE), Table()
    table.put(1, 10)
    table.remove(1)
    table.put(1, 20)
    table.remove(1)
    read(page, table)
    page.note(*table.told[1])
    page.note(*table.told[2])
    assert page.is_stale


def test_what_passes_by_is_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_page, "PASSED_MAX", 4)
    page, table = loaded(60, 50, 40, 30, 20)
    for user in range(10, 20):
        table.put(user, 1)
        table.put(user, 0)
    assert users(page) == [1, 2, 3]
    late = [one for one in table.told if one[2] is not None and one[2].place[0] == -1]
    for told in table.told:
        page.note(*told)
    assert not page.is_stale
    page.note(key(10), late[0][1], row(10, 99, late[0][1]))
    assert page.is_stale, "nothing is known of it any more"


def test_more_rows_than_twice_the_spare_are_not_held() -> None:
    page, table = loaded(*range(5, 0, -1))
    for user in range(10, 60):
        table.put(user, user)
        hear(page, table)
    page.flush()
    assert users(page) == [59, 58, 57]
    assert len(page._held) <= LIMIT + 2 * SPARE
    assert not page.is_stale


class Told(RuleBasedStateMachine):
    """What is told arrives late, twice, in any order; what is lost is known to be, and the page is read again."""

    def __init__(self) -> None:
        super().__init__()
        self.table = Table()
        self.page = LivePage(LIMIT, spare=SPARE)
        self.watcher = Watcher()

    @rule(user=st.integers(0, 8), claps=st.integers(0, 6))
    def put(self, user: int, claps: int) -> None:
        self.table.put(user, claps)

    @precondition(lambda self: self.table.rows)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        self.table.remove(data.draw(st.sampled_from(sorted(self.table.rows))))

    @precondition(lambda self: self.table.told)
    @rule(data=st.data(), twice=st.booleans())
    def arrive(self, data: st.DataObject, twice: bool) -> None:
        told = self.table.told
        index = data.draw(st.integers(0, len(told) - 1))
        self.page.note(*(told[index] if twice else told.pop(index)))

    @precondition(lambda self: self.table.told)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self.table.told.pop(data.draw(st.integers(0, len(self.table.told) - 1)))
        self.page.is_stale = True

    @rule()
    def flush(self) -> None:
        if self.page.is_stale:
            read(self.page, self.table)
        self.watcher.hear(self.page)

    @invariant()
    def what_watchers_know_is_what_is_shown(self) -> None:
        assert self.watcher.rows == self.page.shown

    def teardown(self) -> None:
        hear(self.page, self.table)
        self.flush()
        wanted = [one.json for one in self.table.first(LIMIT)]
        assert list(self.page.shown.values()) == wanted


TestTold = Told.TestCase
TestTold.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


def changes(seed: int, count: int) -> Iterator[tuple[int, int]]:
    chance = random.Random(seed)
    for _ in range(count):
        yield chance.randrange(40), chance.randrange(1_000)


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_in_order_a_page_is_hardly_ever_read_again(seed: int) -> None:
    """Claps only rise, as they do: nothing leaves but by being overtaken."""
    page, table = LivePage(LIMIT, spare=SPARE), Table()
    read(page, table)
    for user, claps in changes(seed, 500):
        table.put(user, claps + (-table.rows[user].place[0] if user in table.rows else 0))
        hear(page, table)
        assert not page.is_stale
    page.flush()
    assert list(page.shown.values()) == [one.json for one in table.first(LIMIT)]
