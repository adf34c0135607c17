import pytest

from greenroom.store.own.servers import OwnServers
from tests.starting.kept_session import KeptSession


@pytest.mark.parametrize("crash", [False, True])
def test_it_outlives_restarts_of_postgres(own_servers: OwnServers, crash: bool) -> None:
    with KeptSession(own_servers.database_url) as session:
        session.execute("CREATE ROLE kept")
        own_servers.restart_postgres(crash=crash)
        session.execute("DROP ROLE kept")
