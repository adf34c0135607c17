"""How fast are jobs worked on where Postgres is far away?"""

import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.jobs.adders import Adders
from bench.jobs.ours import OurQueue
from bench.load.adding import Adding, add
from bench.load.distance import distant
from bench.load.generators import fleet
from bench.load.queueing import Queueing
from bench.server import serving
from greenroom.store.own.servers import OwnServers

DISTANCES = {"rtt1_share": 0.5, "rtt2_share": 1.0}  # of the round trip that is asked for; named for one of 2 ms


def far_away(settings: dict[str, str], plan: Adding, jobs: int, bulks: int, round_trip_ms: float) -> dict[str, float]:
    """Jobs worked on each second, by the names in DISTANCES, by one server. `plan` is without its address."""
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
                    asking = Queueing(server, plan.token, plan.queue)
                    with fleet(add, [replace(plan, address=server.address)] * bulks) as many:
                        many.wait("ready", within_s=30.0)
                        queue = OurQueue(asking, Adders(many, bulks))
                        for name, share in DISTANCES.items():
                            distance.become(round_trip_ms * share / 1_000)
                            queue.fill(jobs)
                            found[name] = queue.work()
        finally:
            own.stop()
        return found
