"""Real servers for the tests: one Postgres and one Valkey for the whole run, from the wheels that production uses."""

import asyncio
import gc
import inspect
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import asyncpg
import hypothesis
import pytest
import redis
import trio
from trio.testing import MockClock

from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.migrate import migrate
from tests.starting.cluster_template import FOLDER, new_folder
from tests.starting.in_memory import folder_in_memory
from tests.starting.kept_session import KeptSession
from tests.starting.rewriting import rewrite_ahead

TEMPLATE = "greenroom_template"
database_numbers = itertools.count(1)

# No example has a deadline of its own: how long one takes says how busy the machine is, and benchmarks say the rest.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """As root, folders of this run's own: any other run of pytest closes the common one to all but root again. And
    servers that we start keep their bytecode, as they do anywhere; else each of hundreds of starts compiles it."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    gc.disable()  # until all is collected, since none of that is garbage
    if getattr(config.option, "numprocesses", None):  # a run's first process, which others are to come of
        rewrite_ahead(config)
    if FOLDER not in os.environ:  # else a process of the run, which has it of the one that started it
        os.environ[FOLDER] = folder = new_folder()
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        config.add_cleanup(lambda: os.environ.__delitem__(FOLDER))
    if os.geteuid() == 0 and config.option.basetemp is None:
        config.option.basetemp = tempfile.mkdtemp(prefix="greenroom-tests-")
        config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))


# Those that take longest go first: begun last, one of them would have all other processes wait for it.
LONGEST = (
    "tests/bench/questions/test_cluster.py",
    "tests/bench/questions/test_failover.py",
    "tests/faults/process/test_two_releases.py",
    "tests/faults/network/test_cut_off.py",
    "tests/docs/test_start.py",
    "tests/bench/questions/test_calm.py",
    "tests/bench/questions/test_jobs.py",
    "tests/bench/questions/test_restart.py",
    "tests/e2e/test_auction.py",
    "tests/actors/social/ranking/test_on_a_server.py",
    "tests/faults/process/test_messages_between_nodes.py",
    "tests/supervisors/cli/serving/test_reloading.py",
    "tests/supervisors/cli/serving/test_group.py",
    "tests/faults/test_outbox.py",
    "tests/faults/process/test_process_one.py",
    "tests/simulation/views/test_guards_of_views.py",
    "tests/simulation/social/test_guards_of_social.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(
        key=lambda item: next((at for at, file in enumerate(LONGEST) if item.nodeid.startswith(file)), len(LONGEST))
    )


def pytest_collection_finish() -> None:
    """Thousands of tests and all modules stay: no collection that comes in a test goes through them again. Those of the
    young come as seldom as in a server (supervisors/duties/collector.py)."""
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)
    gc.enable()


@pytest.fixture(scope="session")
def tmp_path_factory(tmp_path_factory: pytest.TempPathFactory) -> pytest.TempPathFactory:
    """As root, folders that the account of our own servers can reach: pytest's are for root alone."""
    if os.geteuid() == 0:
        mktemp = tmp_path_factory.mktemp

        def within_reach(basename: str, numbered: bool = True) -> Path:
            made = mktemp(basename, numbered)
            for path in (made, *made.parents):
                if path == Path(tempfile.gettempdir()):
                    break
                path.chmod(path.stat().st_mode | 0o011)
            return made

        tmp_path_factory.mktemp = within_reach  # type: ignore[method-assign]
    return tmp_path_factory


@pytest.fixture
def autojump_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> MockClock:
    """Virtual time that jumps when nothing is left to do; what a thread does is something to do."""
    # A fixture that asks for it does not make it the test's clock: that would wait for real, and nothing would tell.
    assert "autojump_clock" in inspect.signature(request.function).parameters, "the test itself must ask for the clock"
    clock = MockClock(autojump_threshold=0)
    run_sync, running = trio.to_thread.run_sync, 0

    async def standing_still(*args: Any, **kwargs: Any) -> Any:
        nonlocal running
        running += 1
        clock.autojump_threshold = inf
        try:
            return await run_sync(*args, **kwargs)
        finally:
            running -= 1
            if not running:
                clock.autojump_threshold = 0

    monkeypatch.setattr(trio.to_thread, "run_sync", standing_still)
    return clock


@pytest.fixture
def clean_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No GREENROOM_ variable and no `.env` but those that a test makes."""
    for name in list(os.environ):
        if name.upper().startswith("GREENROOM_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all that call mypy, of all processes of this run: it reads Greenroom and its libraries once."""
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "mypy-cache"


@pytest.fixture(scope="session")
def own_servers() -> Iterator[OwnServers]:
    """Running servers. `own_servers.restart_postgres()` (or `crash=True`) and `.restart_valkey()` are yours to use."""
    folder = Path(tempfile.mkdtemp(prefix="greenroom-test-", dir=folder_in_memory()))
    servers = OwnServers(folder, initdb_sync=False)
    servers.start()
    # Its processes are killed by tests, the machine is not: all that was written stays, and no drop waits for a disk.
    administer(servers, "ALTER SYSTEM SET fsync = off")
    administer(servers, "SELECT pg_reload_conf()")
    yield servers
    servers.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_template(own_servers: OwnServers) -> str:
    """The name of a database with our schema, to make others from."""

    async def migrate_template() -> None:
        async with Bridge() as bridge:
            await migrate(bridge, url_of(own_servers, TEMPLATE))

    administer(own_servers, f"CREATE DATABASE {TEMPLATE}")
    trio.run(migrate_template)
    return TEMPLATE


@pytest.fixture(scope="session")
def _kept_session(own_servers: OwnServers) -> Iterator[KeptSession]:
    with KeptSession(own_servers.database_url) as session:
        yield session


@pytest.fixture
def database_url(own_servers: OwnServers, migrated_template: str, _kept_session: KeptSession) -> Iterator[str]:
    """A database of the test's own, migrated and empty."""
    name = f"test_{next(database_numbers)}"
    # Its files are copied; through the log, as is the default, the same takes twice as much of a core.
    _kept_session.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_template} STRATEGY = FILE_COPY")
    yield url_of(own_servers, name)
    _kept_session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def narrow_url(own_servers: OwnServers) -> Iterator[str]:
    """As `own_servers.database_url`, of the role `narrow`: no superuser, for whose sessions there is no limit."""
    rules = own_servers._cluster / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all narrow trust\n{before}")
    administer(own_servers, "CREATE ROLE narrow LOGIN")
    administer(own_servers, "SELECT pg_reload_conf()")
    yield own_servers.database_url.replace("//greenroom@", "//narrow@")
    administer(own_servers, "DROP ROLE narrow")
    rules.write_text(before)
    administer(own_servers, "SELECT pg_reload_conf()")


@pytest.fixture
def redis_url(own_servers: OwnServers) -> str:
    """The Valkey, emptied."""
    with redis.Redis.from_url(own_servers.redis_url) as client:
        client.flushall()
    return own_servers.redis_url


def url_of(servers: OwnServers, database: str) -> str:
    return servers.database_url.replace("/greenroom?", f"/{database}?")


def administer(servers: OwnServers, sql: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(servers.database_url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(execute())
