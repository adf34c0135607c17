"""One who posts to very many who sleep: how long is the server busy with it, and who else waits for that?

Their edges are written as rows, as if they had been folded; nobody of them is known to the server otherwise. To so many
nothing is written: those who are awake would be nudged, and here none is.
"""

import asyncio
import time
from threading import Thread

from bench.feed import loads
from bench.feed.calling import Offered, offer
from bench.feed.drift import Views, rows
from bench.feed.world import World
from bench.load.generators import Fleet
from bench.question import Results
from bench.server import Server

GIANT = "giant"
DONE_S = 300.0
LOOK_S = 0.05
BEGUN_S = 2.0  # by when it has begun, if it was seen or not
BEFORE_S = 0.5  # that others call before it posts
EDGES = f"""
INSERT INTO views.followers (author, follower, since_ms, _revision)
SELECT '{GIANT}', 'sleeper' || n, 0, nextval('view_revisions') FROM generate_series(1, $1::bigint) n
"""
TABLE = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'views' AND table_name ~ $1"
COUNT = 'UPDATE {table} SET followers = $1::bigint WHERE "user" = \'' + GIANT + "'"


def asleep(
    server: Server, views: Views, callers: Fleet, world: World, count: int, reads_per_s: float, seconds: float
) -> Results:
    """Call before it posts and while it does; its figures."""
    views.command(f"follows/{GIANT}/set_private", private=True)  # which makes its row
    views.command(f"follows/{GIANT}/set_private", private=False)
    (edges,), (authors,) = (asyncio.run(rows(server, TABLE, f"^{name}_v[0-9]+$")) for name in ("followers", "authors"))
    sql = EDGES.replace("views.followers", f'views."{edges[0]}"')
    asyncio.run(rows(server, sql, count))
    asyncio.run(rows(server, COUNT.format(table=f'views."{authors[0]}"'), count))
    asyncio.run(rows(server, f'ANALYZE views."{edges[0]}"'))
    wanted = Offered(loads.reads(world, int(reads_per_s * seconds)), reads_per_s)
    before = offer(callers, wanted)
    took: list[float] = []
    posting = Thread(target=lambda: took.append(_spread_s(views)), daemon=True)
    cost = server.cost()
    posting.start()
    beside = offer(callers, wanted)
    posting.join(DONE_S)
    assert took, f"it was not brought to all within {DONE_S:g} s"
    used = server.cost() - cost
    return {
        "million_s": round(took[0], 3),
        "million_reads_p99_ms": beside.percentile(0.99),
        "million_reads_ratio": round(beside.percentile(0.99) / before.percentile(0.99), 2),
        "million_cpu_s": round(used.server_s, 2),
    }


def _spread_s(views: Views) -> float:
    """From a post until nothing of it is left to be done."""
    time.sleep(BEFORE_S)
    views = views.again()
    begun = time.perf_counter()
    views.command(f"feed/{GIANT}/post", text="To all of you, who sleep.")
    until = begun + DONE_S
    has_begun = False
    while time.perf_counter() < until:
        unfinished = views.of("queue/social")["unfinished"]
        if not unfinished and (has_begun or time.perf_counter() > begun + BEGUN_S):
            break
        has_begun = has_begun or bool(unfinished)
        time.sleep(LOOK_S)
    return time.perf_counter() - begun
