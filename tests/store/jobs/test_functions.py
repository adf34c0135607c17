"""What is called in SQL: adding a job in anybody's transaction, and keeping the days of finished jobs."""

import json
import re
import runpy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from greenroom.actors.jobs.ids import ID
from greenroom.actors.jobs.options import ARGUMENTS_MAX, TTL_MAX_S, Options, UniqueKey, decode_options
from greenroom.actors.jobs.waits import Awaited
from greenroom.store.jobs import jobs_postgres
from greenroom.store.jobs.jobs_postgres import PostgresJobs
from greenroom.store.jobs.kept import Kept
from greenroom.store.postgres import migrate
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from tests.store.jobs.others import Other, others

DAY_MS = 86_400_000


@pytest.fixture
async def two(database_url: str) -> AsyncIterator[list[Other]]:
    async with Bridge() as bridge, others(bridge, database_url, 2) as sessions:
        yield sessions


async def stored(other: Other, id: str) -> dict[str, Any]:
    row = await other.do("SELECT row_to_json(j)::text FROM jobs j WHERE id = $1::text::uuid", id)
    found: dict[str, Any] = json.loads(row)
    return found


async def now_ms(other: Other) -> int:
    now: int = await other.do("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
    return now


async def test_a_job_is_added_as_it_is_given_and_as_an_entity_would(two: list[Other]) -> None:
    one, _ = two
    before = await now_ms(one)
    id = await one.add("media", '{"video": "alien"}', delay_s=1.5, priority=2, partition="p", attempts=3)
    row = await stored(one, id)
    assert ID.fullmatch(id) and row["id"][14] == "7" and before <= int(id[:12], 16) <= row["added_ms"]
    assert (row["queue"], row["job"], row["priority"], row["partition"]) == ("media", "job.x", 2, "p")
    assert (row["attempts"], row["attempts_max"], row["lost"]) == (0, 3, 0)
    assert row["due_ms"] - row["added_ms"] == 1_500 and row["xid"] is not None
    assert bytes.fromhex(row["arguments"][2:]) == b'{"video": "alien"}' and row["options"] is None


async def test_nobody_sees_it_before_it_is_committed_nor_after_it_is_rolled_back(two: list[Other]) -> None:
    one, other = two
    await one.do("BEGIN")
    await one.add()
    assert await other.do("SELECT count(*) FROM jobs") == 0
    await one.do("ROLLBACK")
    assert await other.do("SELECT count(*) FROM jobs") == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"queue": ""},
        {"queue": "x" * 256},
        {"job": None},
        {"arguments": "[1]"},
        {"arguments": None},
        {"arguments": json.dumps({"text": "x" * ARGUMENTS_MAX})},
        {"delay_s": -1.0},
        {"delay_s": 1e9},
        {"delay_s": float("nan")},
        {"priority": 10},
        {"partition": "x" * 256},
        {"attempts": 0},
        {"unique_key": ""},
        *({name: f"a{control}b"} for name in ("queue", "job", "partition", "unique_key") for control in "\x01\n\x7f"),
        {"unique_key": "k", "unique_mode": "never"},
        {"unique_key": "k", "unique_mode": "throttle"},
        {"unique_key": "k", "unique_mode": "debounce", "unique_ttl_s": 0.0},
        {"unique_key": "k", "unique_mode": "throttle", "unique_ttl_s": TTL_MAX_S + 1},
    ],
    ids=repr,
)
async def test_what_is_out_of_bounds_is_refused_by_name(wrong: dict[str, Any], two: list[Other]) -> None:
    one, _ = two
    given = {"queue": "q", "job": "job.x", "arguments": "{}", **wrong}
    names = ", ".join(
        f"{name} => ${number}{'::text::jsonb' if name == 'arguments' else ''}" for number, name in enumerate(given, 1)
    )
    named = "unique_ttl_s" if wrong.get("unique_mode") in ("throttle", "debounce") else list(wrong)[-1]
    with pytest.raises(asyncpg.PostgresError, match=f"add_job: {named}: "):
        await one.do(f"SELECT add_job({names})", *given.values())


async def test_what_is_within_bounds_fits_to_the_last(two: list[Other]) -> None:
    one, _ = two
    name = "ü" * 255
    await one.add(name, partition=name, priority=9, attempts=1_000, delay_s=31_622_400.0, unique_key=name)


async def test_a_key_is_stored_as_a_queue_reads_it(two: list[Other]) -> None:
    one, _ = two
    id = await one.add(unique_key="k", unique_mode="debounce", unique_ttl_s=60.0)
    row = await stored(one, id)
    assert decode_options(bytes.fromhex(row["options"][2:])) == Options(unique=UniqueKey("k", "debounce", 60.0))
    assert row["unique_key"] == "k" and row["due_ms"] - row["added_ms"] == 60_000


async def test_who_adds_one_that_is_there_is_answered_its_id(two: list[Other]) -> None:
    one, other = two
    first = await one.add(unique_key="k")
    assert await other.add(unique_key="k") == first
    assert await other.add(unique_key="other") != first and await other.add("elsewhere", unique_key="k") != first
    until = await now_ms(one) + 60_000
    await one.do(
        "INSERT INTO job_windows VALUES ('q', 't', $1::text::uuid, $2), ('q', 'over', $1::text::uuid, 5)", first, until
    )
    how: dict[str, Any] = {"unique_mode": "throttle", "unique_ttl_s": 60.0}
    assert await one.add(unique_key="t", **how) == first
    assert await one.add(unique_key="over", **how) != first


async def test_nobody_waits_for_whoever_adds_the_same_key_in_a_transaction_that_stays_open(two: list[Other]) -> None:
    one, other = two
    await one.do("BEGIN")
    first = await one.add(unique_key="k")
    await other.do("SET lock_timeout = '50ms'")
    assert await other.add(unique_key="k") != first, "the queue's owner will see that one of them is done"
    await one.do("COMMIT")


async def test_a_role_may_be_let_add_jobs_and_nothing_else(two: list[Other]) -> None:
    one, _ = two
    role = "adds_jobs"
    await one.do(f"CREATE ROLE {role}")
    try:
        await one.do(f"SET ROLE {role}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await one.add()
        await one.do("RESET ROLE")
        await one.do(f"GRANT EXECUTE ON FUNCTION add_job TO {role}")
        await one.do(f"SET ROLE {role}")
        assert ID.fullmatch(await one.add())
        for statement in ("SELECT count(*) FROM jobs", "SELECT keep_job_days(1)"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await one.do(statement)
    finally:
        await one.do("RESET ROLE")
        await one.do(f"DROP OWNED BY {role}")
        await one.do(f"DROP ROLE {role}")


async def test_who_may_add_jobs_in_one_way_may_say_more_of_them_also_where_others_have_a_function_of_that_name(
    two: list[Other],
) -> None:
    one, _ = two
    role = "adds_jobs_after"
    versions = Path(migrate.__file__).parents[1] / "migrations" / "versions"
    grants = runpy.run_path(str(versions / "0024_jobs_with.py"))["STATEMENTS"][-1]
    await one.do(f"CREATE ROLE {role}")
    try:
        await one.do("CREATE FUNCTION add_job(number int) RETURNS int LANGUAGE sql AS 'SELECT number'")
        await one.do(f"GRANT EXECUTE ON FUNCTION add_job_after TO {role}")
        await one.do(grants)
        assert await one.do(
            "SELECT has_function_privilege($1::name, oid, 'EXECUTE') FROM pg_proc WHERE proname = 'job_with'", role
        )
    finally:
        await one.do(f"DROP OWNED BY {role}")
        await one.do(f"DROP ROLE {role}")


async def test_what_is_ahead_in_its_path_is_not_what_the_function_uses(two: list[Other]) -> None:
    """It runs with more rights than its caller: whose names it takes is not the caller's to say."""
    one, _ = two
    await one.do("CREATE TEMP TABLE jobs (id uuid)")
    await one.do("SET search_path = pg_temp, public")
    await one.add()
    assert await one.do("SELECT count(*) FROM pg_temp.jobs") == 0
    assert await one.do("SELECT count(*) FROM public.jobs") == 1


# Days.


async def days(other: Other) -> list[str]:
    names = await other.do(
        """SELECT string_agg(relname, ' ' ORDER BY relname)
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'jobs_done'::regclass"""
    )
    return [name.removeprefix("jobs_done_") for name in names.split()]


async def ended(other: Other, *days_ago: float) -> None:
    now = await now_ms(other)
    for number, ago in enumerate(days_ago):
        await other.do(
            """INSERT INTO jobs_done VALUES ($1::text::uuid, 'q', 'job.x', '{}', 0, 0, '', 4, 0, 5, 0, NULL,
            'completed', $2, '', NULL, NULL, NULL)""",
            f"{number:032x}",
            now - int(ago * DAY_MS),
        )


async def test_there_are_days_before_they_come(two: list[Other]) -> None:
    one, _ = two
    found = await days(one)
    assert found[-1] == "rest" and len(found) == 5 and all(re.fullmatch("20[0-9]{6}", day) for day in found[:-1])
    await ended(one, 0.0, -1.0, -2.0)
    assert await one.do("SELECT count(*) FROM jobs_done_rest") == 0
    assert await one.do("SELECT keep_job_days(7, 5)") == 0
    assert len(await days(one)) == 7


async def test_days_that_are_too_old_are_dropped_and_what_no_day_had_goes_too(
    two: list[Other], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = two
    for ago in (9, 7):
        await one.do(
            f"""DO $$ DECLARE d date := (clock_timestamp() AT TIME ZONE 'UTC')::date - {ago}; BEGIN
            EXECUTE 'CREATE TABLE jobs_done_' || to_char(d, 'YYYYMMDD') || ' PARTITION OF jobs_done FOR VALUES FROM ('
            || (d - date '1970-01-01') * 86400000::bigint || ') TO (' || (d + 1 - date '1970-01-01') * 86400000::bigint
            || ')'; END $$"""
        )
    await ended(one, 9.0, 7.0, 8.0, 3.0, 0.0, *[8.0] * 5)
    assert await one.do("SELECT count(*) FROM jobs_done_rest") == 7
    monkeypatch.setattr(jobs_postgres, "REST_AT_ONCE", 2)
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1, size=1) as pool:
        assert await PostgresJobs(pool).keep_days(Kept.of(7)) == 1
    left = await one.do("SELECT string_agg(id::text, ' ' ORDER BY id) FROM jobs_done")
    assert [int(id.replace("-", ""), 16) for id in left.split()] == [1, 3, 4]


async def test_a_window_that_is_over_goes(two: list[Other]) -> None:
    one, _ = two
    now = await now_ms(one)
    for key, until in (("over", now - 1), ("open", now + 60_000)):
        await one.do("INSERT INTO job_windows VALUES ('q', $1, $2::text::uuid, $3)", key, "0" * 32, until)
    await one.do("SELECT keep_job_days(7)")
    assert await one.do("SELECT string_agg(unique_key, ' ') FROM job_windows") == "open"


async def test_whoever_must_wait_for_a_lock_leaves_it_for_the_next_time(two: list[Other]) -> None:
    """Appends would wait behind it."""
    one, other = two
    await one.do("CREATE TABLE jobs_done_20200101 PARTITION OF jobs_done FOR VALUES FROM (5) TO (6)")
    await other.do("BEGIN")
    await other.do("SELECT count(*) FROM jobs_done")
    assert await one.do("SELECT keep_job_days(7)") == 0
    assert "20200101" in await days(one)
    await other.do("COMMIT")
    assert await one.do("SELECT keep_job_days(7)") == 1


async def test_one_does_it_at_a_time(two: list[Other]) -> None:
    one, other = two
    await other.do("BEGIN")
    await other.do("SELECT pg_advisory_xact_lock(hashtext('greenroom.keep_job_days'))")
    assert await one.do("SELECT keep_job_days(7, 9)") == 0
    assert len(await days(one)) == 5
    await other.do("COMMIT")
    await one.do("SELECT keep_job_days(7, 9)")
    assert len(await days(one)) == 11


# Jobs that wait for others.

AFTER = "SELECT add_job_after($1::text[], 'q', 'job.x'"


async def test_a_job_is_added_after_others_with_what_their_failing_means(two: list[Other]) -> None:
    one, other = two
    await one.do("BEGIN")
    first, second = await one.add(), await one.add()
    id = await one.do(
        f"{AFTER}, on_failure => 'ignore', called_when => 'ended', priority => 2)", [second, first, second]
    )
    assert await other.do("SELECT count(*) FROM jobs") == 0
    await one.do("COMMIT")
    row = await stored(one, id)
    options = decode_options(bytes.fromhex(row["options"][2:]))
    assert options is not None and options.waits is not None and row["priority"] == 2
    assert options.waits.jobs == [Awaited(second, "ignore"), Awaited(first, "ignore")], "in their order, each once"
    assert options.waits.when == "ended"


@pytest.mark.parametrize(
    ("after", "more", "text"),
    [
        ([], "", "1 to 1000 ids"),
        (None, "", "1 to 1000 ids"),
        (["0" * 32] * 1_001, "", "1 to 1000 ids"),
        (["x"], "", "ids of jobs"),
        ([None], "", "ids of jobs"),
        (["0" * 32], ", on_failure => 'perhaps'", "on_failure: "),
        (["0" * 32], ", called_when => NULL", "called_when: "),
        (["0" * 32], ", attempts => 0", "add_job: attempts"),
    ],
)
async def test_what_it_can_not_wait_for_is_refused(two: list[Other], after: Any, more: str, text: str) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match=text):
        await two[0].do(f"{AFTER}{more})", after)
    assert await two[0].do("SELECT count(*) FROM jobs") == 0


async def test_nobody_may_add_jobs_after_others_before_it_is_said(two: list[Other]) -> None:
    acl = "SELECT has_function_privilege('public', p.oid, 'execute') FROM pg_proc p WHERE proname = 'add_job_after'"
    assert await two[0].do(acl) is False


async def test_what_is_said_of_a_job_is_said_by_whoever_adds_it_alone(two: list[Other]) -> None:
    one, other = two
    known = await other.add()
    await one.do("BEGIN")
    id = await one.do("SELECT job_with(add_job('q', 'job.x', unique_key => 'k'), expires_s => 1.5, weight => 3)")
    await one.do("SELECT job_with($1, weight => 4)", id)
    assert await one.do("SELECT job_with($1, weight => 4)", known) == known
    await one.do("COMMIT")
    await one.do("SELECT job_with($1, weight => 5)", id)
    row = await stored(one, id)
    options = decode_options(bytes.fromhex(row["options"][2:]))
    assert options == Options(unique=UniqueKey("k"), expires_ms=row["added_ms"] + 1_500, weight=4)
    assert (await stored(one, known))["options"] is None


@pytest.mark.parametrize(
    "wrong", ["expires_s => 0", "expires_s => 'NaN'", "expires_s => 1e9", "weight => 0", "weight => 1001"]
)
async def test_what_can_not_be_said_of_a_job_is_refused(two: list[Other], wrong: str) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="job_with: "):
        await two[0].do(f"SELECT job_with(repeat('0', 32), {wrong})")
    acl = "SELECT has_function_privilege('public', p.oid, 'execute') FROM pg_proc p WHERE proname = 'job_with'"
    assert await two[0].do(acl) is False
