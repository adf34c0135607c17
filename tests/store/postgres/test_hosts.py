"""Several hosts in one address."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from asyncpg import exceptions as pg

from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres import wire
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.hosts import first_of, hosts_of
from greenroom.store.postgres.pool import Pool


def test_hosts_of_an_address() -> None:
    assert hosts_of("postgresql://u:p@a:1,b:2/db") == [("a", 1), ("b", 2)]
    assert hosts_of("postgresql://u:p%2C@a,[::1]:5433/db?x=1") == [("a", 5432), ("::1", 5433)]
    assert hosts_of("postgresql://u@/db?host=/run/a,b&port=1,2") == [("/run/a", 1), ("b", 2)]
    for one in ("postgresql://u@a:1/db", "postgresql://u@/db?host=/run/a", "postgresql:///db", "postgresql://a/db"):
        assert hosts_of(one) == []
    for wrong in ("postgresql://u@a:1,b:x/db", "postgresql://u@a,:2/db", "postgresql://u@/d?host=a,b,c&port=1,2"):
        with pytest.raises(ValueError, match=r"port|literal"):
            hosts_of(wrong)


def had(hosts: list[tuple[str, int]], connect: Callable[[str, int], Awaitable[str]]) -> str:
    return asyncio.run(first_of(hosts, connect, within_s=3.0))


def test_each_host_has_its_share_of_the_time_and_what_it_says_decides_whether_another_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that is silent, one that refuses, and one that is no primary are passed over; a wrong password is told."""
    shares: list[float] = []
    timeout = asyncio.timeout

    def at_once(delay_s: float) -> asyncio.Timeout:
        shares.append(delay_s)
        return timeout(0.01)

    monkeypatch.setattr(asyncio, "timeout", at_once)
    says: dict[str, Exception] = {
        "refuses": ConnectionRefusedError(),
        "standby": pg.TargetServerAttributeNotMatched(),
        "starts": pg.CannotConnectNowError(),
        "locked": pg.InvalidPasswordError("wrong password"),
    }
    tried: list[str] = []

    async def connect(host: str, port: int) -> str:
        tried.append(host)
        if host == "silent":
            await asyncio.Event().wait()
        if host in says:
            raise says[host]
        return f"{host}:{port}"

    assert had([("silent", 1), ("refuses", 2), ("good", 3)], connect) == "good:3"
    assert (tried, shares) == (["silent", "refuses", "good"], [1.0] * 3)
    assert had([("standby", 1), ("starts", 2), ("good", 3)], connect) == "good:3"
    tried.clear()
    with pytest.raises(pg.InvalidPasswordError):
        had([("locked", 1), ("good", 2)], connect)
    assert tried == ["locked"]
    with pytest.raises(ConnectionRefusedError):
        had([("silent", 1), ("refuses", 2)], connect)


async def test_a_database_is_had_though_the_first_host_is_not_there(
    own_servers: OwnServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    async def noted(hosts: Any, connect: Callable[[str, int], Awaitable[Any]], **how: Any) -> Any:
        async def note(host: str, port: int) -> Any:
            tried.append(host)
            return await connect(host, port)

        return await first_of(hosts, note, **how)

    # asyncpg would try both too, but not the second where the first is silent.
    monkeypatch.setattr(wire, "first_of", noted)
    url = own_servers.database_url.replace("host=", f"host={tmp_path},")
    async with Bridge() as bridge, Pool(bridge, url, incarnation=1, size=1) as pool, pool.connection() as connection:
        assert [tuple(row) for row in await connection.fetch("SELECT 1")] == [(1,)]
    assert tried[0] == str(tmp_path) and len(tried) == 2
