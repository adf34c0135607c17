"""What nodes stand on; the rest of it is tried by starting servers, in tests/faults/process/test_start.py."""

from pathlib import Path

import asyncpg
import pytest
import trio

from greenroom.config.settings import load_settings
from greenroom.store.postgres.bridge import Bridge
from greenroom.supervisors.cli.serving.ground import Ground, sessions_needed

pytestmark = pytest.mark.usefixtures("clean_surroundings")


def test_postgres_of_our_own_has_sessions_for_all_nodes() -> None:
    one, four = sessions_needed(load_settings(nodes=1)), sessions_needed(load_settings(nodes=4))
    settings = load_settings(nodes=1)
    assert one == settings.store.connections + settings.commit.lanes + 17
    assert four - one == 3 * (settings.store.connections + settings.commit.lanes + 7)
    assert sessions_needed(load_settings(nodes=0)) == one, "of others, each has its own ground"


def test_several_nodes_share_the_port_and_one_has_it_alone(tmp_path: Path) -> None:
    urls = {"database_url": "postgresql://nobody@127.0.0.1:1/none", "redis_url": "redis://127.0.0.1:1"}
    with Ground(load_settings(port=0, nodes=2, data_dir=tmp_path / "two", **urls)) as ground:
        assert ground.listener is None and ground.shared_port is not None and ground.own is None
    with Ground(load_settings(port=0, nodes=1, data_dir=tmp_path / "one", **urls)) as ground:
        assert ground.listener is not None and ground.shared_port is None


def test_it_starts_postgres_with_them(tmp_path: Path) -> None:
    async def shown(url: str) -> str:
        connection = await asyncpg.connect(url)
        value: str = await connection.fetchval("SHOW max_connections")
        await connection.close()
        return value

    async def ask(url: str) -> str:
        async with Bridge() as bridge:
            answer: str = await bridge.run(shown, url)
            return answer

    settings = load_settings(port=0, nodes=6, data_dir=tmp_path / "data")
    with Ground(settings) as ground:
        database_url, _ = ground.answering()
        assert int(trio.run(ask, database_url)) == sessions_needed(settings) > 50
