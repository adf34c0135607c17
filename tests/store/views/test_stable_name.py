"""The stable name, over versions, for whoever reads by it."""

import msgspec
import pytest

from greenroom.store.errors import ViewRefused
from greenroom.store.views.shape import Column
from tests.store.views.tables import SHAPE, stores, wanted

OTHER = msgspec.structs.replace(SHAPE, columns=(*SHAPE.columns, Column(name="more", type="bigint")))


async def test_another_table_is_read_by_whoever_might_read_the_one_before(database_url: str) -> None:
    async with stores(database_url) as made:
        await made.make()
        await made.pool.fetch('GRANT SELECT ON views."standings" TO PUBLIC')
        await made.pool.fetch('CREATE VIEW public.top AS SELECT "user", claps FROM views."standings"')
        assert await made.versions.switch(await made.versions.rebuild(wanted()))  # the same columns
        assert await made.versions.switch(await made.make(wanted(2, shape=OTHER)))  # and one behind them
        fewer = msgspec.structs.replace(SHAPE, columns=SHAPE.columns[:3])
        third = await made.make(wanted(3, shape=fewer))
        with pytest.raises(ViewRefused, match=r"^top hangs on views"):
            await made.versions.switch(third)
        assert (await made.versions.all())[-1].state == "filling"
        await made.pool.fetch("DROP VIEW public.top")
        assert await made.versions.switch(third)
        ((acl,),) = await made.pool.fetch("SELECT relacl::text FROM pg_class WHERE relname = 'standings'")
        assert "=r/" in acl.split(",")[-1]
