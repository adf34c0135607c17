"""Our own Postgres and Valkey, started again when they have died, and what they leave behind then."""

import random

import structlog
import trio

from greenroom.store.own.servers import OwnServers
from greenroom.supervisors.duties.reaper import Reaper
from greenroom.supervisors.supervision.backoff import Backoff

log = structlog.get_logger("greenroom.node")

LOOK_S = 0.5


async def mind_own_servers(servers: OwnServers) -> None:
    """Until cancelled. For the main thread: they live as long as the one that forked them."""
    backoff = Backoff(random=random.Random(), first_s=0.2, max_s=5.0)
    reaper = Reaper()
    started_at = trio.current_time()
    while True:
        await trio.sleep(LOOK_S)
        dead = servers.poll()
        reaper.look()
        if dead:
            backoff.reset(calm_s=trio.current_time() - started_at)
            started = servers.ensure_running()
            started_at = trio.current_time()
            log.warning("own_servers_restarted", servers=started)
            await trio.sleep(backoff.next())
