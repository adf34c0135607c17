"""What is left to fold, as the store finds and reads it."""

from greenroom.store.ownership.sharding import shard_of
from tests.actors.views.shows import Clapped
from tests.store.views.tables import NOTHING, replace, tables


async def test_who_is_behind_is_found_page_by_page(where: str) -> None:
    async with tables(where) as made:
        version = await made.make()
        ids = await made.heads(*(f"show:{number}" for number in range(5)))
        await made.heads("room:a")
        async with made.store.transaction(version) as transaction:
            await transaction.write(replace(NOTHING, begun={ids[0]: 1, ids[1]: 0}))
        found, last = await made.store.behind(version, after_id=0, limit=3, shards=None)
        assert ([one.entity for one in found], last) == (["show:1", "show:2"], ids[2])
        found, last = await made.store.behind(version, after_id=ids[2], limit=30, shards=None)
        assert [one.entity for one in found] == ["show:3", "show:4"] and last is not None
        assert await made.store.behind(version, after_id=last, limit=30, shards=None) == ([], None)


async def test_each_node_finds_what_is_on_its_shards(where: str) -> None:
    async with tables(where) as made:
        version = await made.make()
        names = [f"show:{number}" for number in range(20)]
        await made.heads(*names)
        mine = {shard_of(name, 4096) for name in names[:7]}
        found, _ = await made.store.behind(version, after_id=0, limit=100, shards=mine)
        assert sorted(one.entity for one in found) == sorted(names[:7])


async def test_events_are_read_from_where_each_entity_stands(where: str) -> None:
    async with tables(where) as made:
        version = await made.make()
        for entity, count in (("show:a", 3), ("show:b", 5)):
            await made.record(entity, *(Clapped(user=str(number)) for number in range(count)))
        ids = await made.ids()
        async with made.store.transaction(version) as transaction:
            await transaction.write(replace(NOTHING, begun={ids["show:b"]: 2}))
        both = [ids["show:a"], ids["show:b"]]
        found = {one.entity: one for one in await made.store.unfolded(version, both, limit=100)}
        assert [one.offset for one in found["show:a"].events] == [1, 2, 3]
        assert [one.offset for one in found["show:b"].events] == [3, 4, 5]
        assert found["show:b"].standing[:2] == (2, True) and found["show:b"].standing.head_offset == 5


async def test_what_has_no_room_is_left_for_later(where: str) -> None:
    async with tables(where) as made:
        version = await made.make()
        for entity in ("show:a", "show:b", "show:c"):
            await made.record(entity, *(Clapped(user=str(number)) for number in range(4)))
        ids = list((await made.ids()).values())
        found = await made.store.unfolded(version, ids, limit=6)
        assert [(one.entity, len(one.events)) for one in found] == [("show:a", 4), ("show:b", 2)]


async def test_large_events_are_read_one_at_least(where: str) -> None:
    async with tables(where) as made:
        version = await made.make()
        large = [Clapped(user="x" * (5 << 20)) for _ in range(3)]
        await made.record("show:a", *large)
        (found,) = await made.store.unfolded(version, [(await made.ids())["show:a"]], limit=100)
        assert [one.offset for one in found.events] == [1, 2]


async def test_an_entity_whose_events_are_gone_shows_it(where: str) -> None:
    async with tables(where) as made:
        version = await made.make()
        await made.record("show:a", *(Clapped(user="ann") for _ in range(4)))
        await made.forget("show:a", 2)
        head_id = (await made.ids())["show:a"]
        (found,) = await made.store.unfolded(version, [head_id], limit=100)
        assert (found.events, found.standing.trimmed) == ([], 2)
        assert await made.store.snapshot(head_id) is None
        await made.snapshot("show:a", 3, b"{}", saved_s=5)
        assert await made.store.snapshot(head_id) == (3, b"{}", 5_000)
