"""One who posts, and very many who watch their feeds: how long until they know?

Those who watch follow, and have read once: to who has never been there nothing is written.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.feed.calling import Call, Callers, News, Offered, ask, call, offer
from bench.feed.drift import Views, rows
from bench.load.generators import Fleet, fleet
from bench.question import Say
from bench.reporting.percentiles import percentile
from bench.server import Server
from greenroom.transports.auth.signer import TokenSigner

STAR = "star"
FOLLOWING_AT_ONCE, READING_AT_ONCE = 64, 16
SETTLED_S = 300.0
TOLD_S = 60.0
SHARE = 0.99
FOLLOWERS = "SELECT count(*) FROM views.followers WHERE author = $1"
READERS = "SELECT count(*) FROM views.readers WHERE \"user\" LIKE 'fan%' AND at_ms > 0"


@dataclass(frozen=True)
class Fans:
    """Who watch, and how long it took until there were so many."""

    watching: Fleet
    count: int
    follows_per_s: float
    warnings: list[str]


@contextmanager
def fans(server: Server, signer: TokenSigner, views: Views, count: int, say: Say) -> Iterator[Fans]:
    users = [f"fan{number:06}" for number in range(count)]
    views.command(f"profile/{STAR}/set", name="Star")
    tokens = [(user, signer.connection_token(user, ttl_s=3_600.0)) for user in users]
    with fleet(call, [Callers(server.address, tokens, watching="feed")]) as watching:
        watching.wait("connected", within_s=180.0)
        say(f"{count} follow", 0.6)
        follow = json.dumps({"user": STAR})
        followed = offer(
            watching,
            Offered(
                [Call(number, f"follows:{user}/follow", follow) for number, user in enumerate(users)],
                at_once=FOLLOWING_AT_ONCE,
            ),
        )
        _settled(server, FOLLOWERS, count, STAR)
        say(f"{count} read", 0.65)
        reading = [Call(number, f"feed:{user}/read", "{}") for number, user in enumerate(users)]
        read = offer(watching, Offered(reading, at_once=READING_AT_ONCE))
        if read.refused:  # of a machine that others use, too: who has never read is written nothing
            again = offer(watching, Offered([reading[number] for number in read.refused], at_once=READING_AT_ONCE))
            read.errors = again.errors
        _settled(server, READERS, count)
        doubts = followed.doubts("first follows") + read.doubts("first reads")
        yield Fans(watching, count, len(followed.waits) / followed.seconds, doubts)


def told_s(fans: Fans, views: Views, posts: int) -> list[float]:
    """For each of so many posts in turn, how long after it was asked for SHARE of the watchers knew; s."""
    found: list[float] = []
    for number in range(1, posts + 1):
        begun_ns = time.perf_counter_ns()
        views.command(f"feed/{STAR}/post", text=f"To all of you, number {number}.")
        heard: list[float] = ask(fans.watching, News(number, fans.count, TOLD_S))
        if len(heard) < fans.count * SHARE:
            return [*found, float("inf")]
        found.append((percentile(heard, SHARE * fans.count / len(heard)) - begun_ns) / 1e9)
    return found


def _settled(server: Server, sql: str, count: int, *values: object) -> None:
    until = time.monotonic() + SETTLED_S
    while asyncio.run(rows(server, sql, *values))[0][0] < count:
        assert time.monotonic() < until, f"fewer than {count} rows after {SETTLED_S:g} s: {sql}"
        time.sleep(0.2)
