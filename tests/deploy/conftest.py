"""PgBouncer before the Postgres of the tests."""

from collections.abc import Iterator

import pytest

from greenroom.store.own.servers import OwnServers
from tests.conftest import administer
from tests.deploy.pgbouncer import NARROW, TRACKS_STATEMENTS, PgBouncer, version
from tests.e2e.conftest import need


@pytest.fixture
def reachable(own_servers: OwnServers) -> Iterator[None]:
    """PgBouncer won't be root, and our own Postgres lets in nobody but us: here it lets in others, too."""
    need("PgBouncer 1.21 or newer", version() >= TRACKS_STATEMENTS)
    rules = own_servers._cluster / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all greenroom trust\n{before}")
    administer(own_servers, "SELECT pg_reload_conf()")
    yield
    rules.write_text(before)
    administer(own_servers, "SELECT pg_reload_conf()")


@pytest.fixture
def narrow(reachable: None, database_url: str) -> Iterator[PgBouncer]:
    with PgBouncer(database_url, default_pool_size=NARROW) as running:
        yield running
