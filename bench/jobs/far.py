"""How fast are jobs worked on where Postgres is far away?"""

import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.jobs.adders import Adders
from bench.jobs.ours import OurQueue
from bench.load.adding import Adding
from bench.load.distance import distant
from bench.load.queueing import Queueing
from bench.server import serving
from greenroom.store.own.servers import OwnServers

DISTANCES = {"rtt1_share": 0.5, "rtt2_share": 1.0}  # of the round trip that is asked for; named for one of 2 ms


def far_away(
    settings: dict[str, str], adders: Adders, plan: Adding, jobs: int, round_trip_ms: float
) -> dict[str, float]:
    """Jobs worked on each second, by the names in DISTANCES, by a server of its own."""
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # as root: for the account that Postgres runs as
        own = OwnServers(Path(folder).resolve())
        database_url, redis_url = own.start()
        path = f"{parse_qs(urlsplit(database_url).query)['host'][0]}/.s.PGSQL.5432"
        found: dict[str, float] = {}
        try:
            with distant(path, 0.0) as distance:
                far = {
                    "GREENROOM_DATABASE_URL": f"postgresql://greenroom@127.0.0.1:{distance.port}/greenroom",
                    "GREENROOM_REDIS_URL": redis_url,
                }
                with serving("", settings | far) as server:
                    there = replace(plan, address=server.address)
                    queue = OurQueue(Queueing(server, plan.token, plan.queue), adders, there)
                    for name, share in DISTANCES.items():
                        distance.become(round_trip_ms * share / 1_000)
                        queue.fill(jobs)
                        found[name] = queue.work()
        finally:
            own.stop()
        return found
