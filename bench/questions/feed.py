"""People read, like and follow, and one posts to very many who watch: how long does each of them wait?

The world is that of `greenroom demo social`. Calls are due by the clock, each over the WebSocket of its user. A like is
answered once it is durable and counted; a follow once it is durable and on its way. At the end everything is counted
anew.
"""

import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass

from bench.feed import loads
from bench.feed.calling import Answered, Callers, Marks, Offered, ask, call, offer
from bench.feed.drift import Views, drift
from bench.feed.fans import STAR, fans, told_s
from bench.feed.million import asleep
from bench.feed.settling import settled
from bench.feed.world import filled
from bench.load.generators import fleet
from bench.question import Answer, Figure, Question, Results, Say, param
from bench.reporting.percentiles import curve, ms
from bench.server import Cost, serving
from greenroom.transports.auth.signer import TokenSigner
from greenroom.transports.auth.tokens import TokenConfig

HEARD_S = 30.0


@dataclass(frozen=True, kw_only=True)
class FeedParams:
    seconds: float = param(5.0, "how long each thing is called")
    users: int = param(1_000, "people of the world")
    reads: float = param(500.0, "home feeds read each second")
    likes: float = param(1_000.0, "reactions each second, over all posts")
    follows: float = param(1_000.0, "follows and unfollows each second")
    comments: float = param(100.0, "comments each second, of which authors hear through their inboxes")
    watchers: int = param(200, "people who watch their inboxes meanwhile")
    followers: int = param(10_000, "who follow one author, and all watch their feeds")
    posts: int = param(3, "posts by that author, one after another")
    sleepers: int = param(0, "who follow another author and sleep, such as 1,000,000; 0: leave that out")
    old: float = param(31.0, "seconds after which everybody reads once more: feeds are ranked anew after half a minute")
    settle: float = param(
        60.0, "seconds that may pass until what follows from one kind of call is done, before the next kind; 0: none"
    )
    work: str = param("social:8,deliver:4", "queues that the server works on, as GREENROOM_WORK")


def answer(params: FeedParams, say: Say) -> Answer:
    secret = secrets.token_hex(32)
    settings = {
        "GREENROOM_ENTITIES": "greenroom.social",
        "GREENROOM_WORK": params.work,
        "GREENROOM_AUTH_SECRET": secret,
    }
    signer = TokenSigner(TokenConfig(secret=secret.encode()), time.time)
    staff = signer.connection_token("bench", roles=("service",), ttl_s=3_600.0)
    found: Results = {}
    warnings: list[str] = []
    curves = {}

    def settle(after: str) -> None:
        cost, seconds = settled(server, params.settle)
        found[f"after_{after}_s"] = round(seconds, 1)
        found[f"after_{after}_cpu_s"] = round(cost.server_s + cost.store_s, 2)
        if params.settle and seconds >= params.settle:
            warnings.append(f"what follows from {after} was not done within {params.settle:g} s")

    def note(name: str, answered: Answered) -> None:
        curves[name] = curve(answered.waits)
        found.update(answered.results(name))
        warnings.extend(answered.doubts(name))

    say("starting the server", 0.0)
    with serving("", settings) as server, ExitStack() as stack:
        views = Views(server, staff)
        world = filled(server, signer, params.users, say)
        tokens = [(user, signer.connection_token(user, ttl_s=3_600.0)) for user in world.users]
        callers = stack.enter_context(fleet(call, [Callers(server.address, tokens)]))
        callers.wait("connected", within_s=180.0)
        say("settling", 0.25)
        settle("world")
        say("reading", 0.3)
        offer(callers, Offered(loads.reads(world, len(tokens)), at_once=8))  # wakes them
        before = server.cost()
        reads = offer(callers, Offered(loads.reads(world, int(params.reads * params.seconds)), params.reads))
        reading = server.cost() - before
        note("read", reads)
        settle("read")
        say("waiting until what was ranked is old", 0.35)
        time.sleep(params.old)
        before = server.cost()
        anew = offer(callers, Offered(loads.reads(world, len(tokens)), params.reads))
        found |= _cpu("anew", server.cost() - before, len(anew.waits))
        note("anew", anew)
        settle("anew")
        say("liking", 0.4)
        before = server.cost()
        likes = offer(callers, Offered(loads.likes(world, int(params.likes * params.seconds)), params.likes))
        found |= _cpu("like", server.cost() - before, len(likes.waits))
        note("like", likes)
        settle("like")
        say("commenting", 0.45)
        with fleet(call, [Callers(server.address, tokens[: params.watchers], watching="inbox")]) as inboxes:
            inboxes.wait("connected", within_s=60.0)
            said = loads.comments(world, int(params.comments * params.seconds), params.watchers)
            note("comment", offer(callers, Offered(said, params.comments)))
            heard: list[float] = ask(inboxes, Marks(len(said), HEARD_S))
            found["inbox_missing"] = len(said) - len(heard)
        settle("comment")
        say("gathering followers", 0.5)
        fanout: list[float] = []
        if params.followers:
            with fans(server, signer, views, params.followers, say) as all_of_them:
                say("posting", 0.8)
                found["first_follows_per_s"] = round(all_of_them.follows_per_s, 1)
                warnings += all_of_them.warnings
                before = server.cost()
                fanout = told_s(all_of_them, views, params.posts)
                found |= _cpu("told", server.cost() - before, params.posts * params.followers)
        settle("told")
        say("following", 0.85)
        wanted = loads.follows(world, int(params.follows * params.seconds), STAR)
        before = server.cost()
        follows = offer(callers, Offered(wanted, params.follows))
        found |= _cpu("follow", server.cost() - before, len(follows.waits))
        note("follow", follows)
        if params.sleepers:
            say("posting to who sleeps", 0.87)
            found |= asleep(server, views, callers, world, params.sleepers, params.reads / 10, params.seconds)
        say("counting anew", 0.9)
        off = drift(server, staff, [*world.users, STAR], [post for post, _ in world.posts])
    return Answer(
        {
            "read_p50_ms": reads.percentile(0.5),
            "read_p95_ms": reads.percentile(0.95),
            "anew_p50_ms": anew.percentile(0.5),
            "anew_p95_ms": anew.percentile(0.95),
            "like_p95_ms": likes.percentile(0.95),
            "follow_p95_ms": follows.percentile(0.95),
            "fanout_s": round(max(fanout), 3) if fanout else 0.0,
            "inbox_p95_ms": ms(heard, 0.95),
            "counter_drift": off,
            **found,
            "world_s": round(world.seconds, 1),
            "world_per_s": round(world.commands / world.seconds, 1),
            **_cpu("read", reading, len(reads.waits)),
            "others_cpu_share": reading.results(reads.cpu_s)["others_cpu_share"],
        },
        curves,
        warnings + reading.doubts(reads.cpu_s),
    )


def _cpu(name: str, cost: Cost, count: int) -> Results:
    """Of each, while they were called: what their rows take later is not in it."""
    return {
        f"{name}_cpu_ms": round(cost.server_s * 1e3 / max(1, count), 3),
        f"{name}_store_cpu_ms": round(cost.store_s * 1e3 / max(1, count), 3),
    }


QUESTION = Question(
    name="feed",
    asks="People read, like and follow, and one posts to very many who watch: how long does each of them wait?",
    params=FeedParams,
    figures={
        "read_p50_ms": Figure("a ranked home feed, from when it was due to its answer, median"),
        "read_p95_ms": Figure("the same, 95th percentile", at_most=50.0),
        "like_p95_ms": Figure("a reaction, until it is durable and counted", at_most=20.0),
        "follow_p95_ms": Figure("a follow or unfollow, some of an account of many edges", at_most=20.0),
        "fanout_s": Figure("from a post until 99 % of its watching followers know", at_most=2.0),
        "inbox_p95_ms": Figure("from when a comment was due until its author's inbox tells", at_most=500.0),
        "counter_drift": Figure("by how much followers and reactions differ from a recount", at_most=0),
        "million_s": Figure("from a post until all that it gives to do for sleeping followers is done", at_most=10.0),
        "million_reads_ratio": Figure("99th percentile of reads meanwhile, as a multiple of that before", at_most=2.0),
    },
    answer=answer,
)
