import gc

from tests.supervisors.duties.week import EVENTS, SWEEP_H, Week


async def test_after_a_week_nothing_has_grown_but_what_retention_keeps(database_url: str) -> None:
    of_each_per_h = 2
    async with Week(database_url, of_each_per_h).running() as week:
        await week.pass_hours(4 * 24)
        gc.collect()
        before, objects_before = await week.rows(), len(gc.get_objects())
        await week.pass_hours(3 * 24)
        gc.collect()
        after, objects_after = await week.rows(), len(gc.get_objects())

    written = 2 * of_each_per_h * 24 * 7  # writers and readers
    a_day = of_each_per_h * (24 + SWEEP_H)  # that were new within a day and a sweep
    assert after["heads"] - written <= a_day
    assert written - 2 * a_day <= after["snapshots"] <= written, "the state of each"
    assert after["journal"] <= (EVENTS + 1) * a_day
    assert after["kept_ids"] <= EVENTS * of_each_per_h * (24 + SWEEP_H), "another day of ids"
    assert after["received"] <= a_day
    assert after["outbox"] == after["timers"] == 0
    for table in ("journal", "kept_ids", "received"):
        assert abs(after[table] - before[table]) <= of_each_per_h, f"{table}, but for what is delivered an hour later"
    assert objects_after - objects_before < 3 * (3 * of_each_per_h * 24 * 3), "three of each entity"
