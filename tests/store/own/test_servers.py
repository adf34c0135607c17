"""Our own Postgres and Valkey: durable, reachable by their URLs only, restarted, and gone when their parent is."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

from greenroom.store.own.account import as_account
from greenroom.store.own.processes import exists
from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from tests.starting.cluster_template import copy_cluster

PARENT = """
import sys, signal, pathlib
from greenroom.store.own.servers import OwnServers
servers = OwnServers(pathlib.Path(sys.argv[1]), initdb_sync=False)
servers.start()
print('pids', servers._postgres.pid, servers._valkey.pid, flush=True)
signal.pause()
"""


async def answer(database_url: str, sql: str) -> object:
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def ping(redis_url: str) -> bool:
    client = redis.asyncio.from_url(redis_url)
    try:
        return bool(await client.ping())
    finally:
        await client.aclose()


async def test_both_answer_at_their_urls(own_servers: OwnServers) -> None:
    async with Bridge() as bridge:
        assert await bridge.run(ping, own_servers.redis_url)
        assert await bridge.run(answer, own_servers.database_url, "SELECT 1") == 1


def test_postgres_is_durable(tmp_path: Path) -> None:
    """One of its own: that of the tests syncs nothing."""
    copy_cluster(tmp_path / "data")
    servers = OwnServers(tmp_path / "data")
    database_url, _ = servers.start()
    try:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert asyncio.run(answer(database_url, f"SHOW {setting}")) == "on"
    finally:
        servers.stop()


async def test_neither_listens_on_tcp(own_servers: OwnServers) -> None:
    async with Bridge() as bridge:
        assert await bridge.run(answer, own_servers.database_url, "SHOW listen_addresses") == ""
    for port in (5432, 6379):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_a_dead_one_is_noticed_and_started_again(own_servers: OwnServers) -> None:
    assert own_servers.poll() == []
    assert own_servers._valkey is not None
    own_servers._valkey.kill()
    own_servers._valkey.wait()
    assert own_servers.poll() == ["valkey"]
    assert own_servers.ensure_running() == ["valkey"]
    own_servers._wait_until_ready("valkey", own_servers._valkey_socket.exists)
    async with Bridge() as bridge:
        assert await bridge.run(ping, own_servers.redis_url)


async def test_a_backend_that_dies_takes_postgres_with_it_which_is_then_started_again(own_servers: OwnServers) -> None:
    """Postgres does not recover in place, where version 18 would not end before it is told a second time."""

    async def crash() -> None:
        connection = await asyncpg.connect(own_servers.database_url)
        os.kill(connection.get_server_pid(), signal.SIGKILL)
        connection.terminate()

    async with Bridge() as bridge:
        await bridge.run(crash)
        assert own_servers._postgres is not None
        own_servers._postgres.wait(60)
        assert own_servers.ensure_running() == ["postgres"]
        own_servers.restart_postgres()
        assert await bridge.run(answer, own_servers.database_url, "SELECT 1") == 1


@pytest.mark.parametrize("crash", [False, True])
async def test_what_was_committed_is_there_after_a_restart(own_servers: OwnServers, crash: bool) -> None:
    async with Bridge() as bridge:
        await bridge.run(answer, own_servers.database_url, f"CREATE TABLE kept_{crash} AS SELECT 7 AS n")
        own_servers.restart_postgres(crash=crash)
        assert await bridge.run(answer, own_servers.database_url, f"SELECT n FROM kept_{crash}") == 7
        await bridge.run(answer, own_servers.database_url, f"DROP TABLE kept_{crash}")


def test_a_killed_parent_takes_its_servers_along_and_the_next_start_finds_the_folder_usable(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    line = next(line for line in parent.stdout if line.startswith(b"pids "))  # after the log lines of a first start
    pids = [int(pid) for pid in line.split()[1:]]
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    # At once: what is still shutting down is an orphan, which the start waits for.
    servers = OwnServers(tmp_path)
    servers.start()
    try:
        assert len(pids) == 2
        assert not any(exists(pid) for pid in pids)  # zombies don't count: their new parent may be slow to look
    finally:
        began = time.monotonic()
        servers.stop()
        assert time.monotonic() - began < 10


def test_a_folder_with_a_long_path_gets_its_sockets_elsewhere(tmp_path: Path) -> None:
    servers = OwnServers(tmp_path / ("long" * 20), initdb_sync=False)
    servers.start()
    try:
        assert len(os.fsencode(servers._run_dir)) < 80
        assert servers._valkey_socket.exists()
        assert servers._run_dir.stat().st_mode & 0o077 == 0
    finally:
        servers.stop()
    assert not servers._run_dir.exists()


def test_lock_files_of_a_zombie_are_no_hindrance(tmp_path: Path) -> None:
    """After a kill of all processes the new parent of the postmaster may not have looked yet."""
    servers = OwnServers(tmp_path / "data", initdb_sync=False)
    servers.start()
    servers.stop()
    with subprocess.Popen(["true"], **as_account(servers._account)) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)  # ended, and not reaped
        for path in (servers._cluster / "postmaster.pid", servers._run_dir / ".s.PGSQL.5432.lock"):
            path.write_text(f"{zombie.pid}\n{servers._cluster}\n")
            if servers._account is not None:
                os.chown(path, servers._account.pw_uid, servers._account.pw_gid)
        servers.start()
        servers.stop()
