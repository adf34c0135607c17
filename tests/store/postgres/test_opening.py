"""Sessions through what stands between: a pooler that knows few parameters, several hosts of which one answers."""

import socket

import trio

from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from tests.store.postgres.peers.strict_proxy import strict_proxy


async def asked(url: str, sql: str, *, connect_s: float = 5.0) -> str:
    async with Bridge() as bridge, Pool(bridge, url, incarnation=1, size=1, connect_s=connect_s) as pool:
        async with pool.connection() as connection:
            value = (await connection.fetch(sql))[0][0]
            assert isinstance(value, str)
            return value


async def test_a_pooler_that_knows_few_parameters_lets_us_in_and_the_session_has_its_settings(
    database_url: str,
) -> None:
    async with strict_proxy(database_url) as proxy:
        assert await asked(proxy.url, "SHOW jit") == "off"
        assert await asked(proxy.url, "SHOW statement_timeout") == "9s"
        assert await asked(proxy.url, "SHOW plan_cache_mode") == "force_generic_plan"
        assert await asked(proxy.url, "SHOW application_name") == "greenroom 0000000000000001 read-0"
        assert proxy.refused == []


async def test_of_several_hosts_the_first_that_answers_and_takes_writes_is_used(database_url: str) -> None:
    """One says nothing, one refuses, one is a standby."""
    async with strict_proxy(database_url, read_only=True) as standby, strict_proxy(database_url) as primary:
        with socket.socket() as silent, socket.socket() as closed:
            for one in (silent, closed):
                one.bind(("127.0.0.1", 0))
            silent.listen()
            ports = [silent.getsockname()[1], closed.getsockname()[1], standby.port, primary.port]
            hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
            url = primary.url.replace(f"127.0.0.1:{primary.port}", hosts)
            began_at = trio.current_time()
            only_writing = f"{url}&target_session_attrs=read-write"
            assert await asked(only_writing, "SHOW transaction_read_only", connect_s=4.0) == "off"
            assert trio.current_time() - began_at < 3.5  # a share of it for the silent one
            assert standby.open == primary.open == 0
            assert await asked(url, "SHOW transaction_read_only", connect_s=4.0) == "on"
