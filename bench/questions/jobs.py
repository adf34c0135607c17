"""How fast are jobs added and worked on, and how soon does a lone one run?

The server works on them itself, and they do nothing, so what is measured is what a job costs. It is durable before its
add is answered, and what became of it before it counts as done.
"""

import asyncio
import os
import secrets
import signal
import tempfile
import time
from array import array
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from bench.jobs.adders import Adders, adding
from bench.jobs.far import far_away
from bench.jobs.held import held
from bench.jobs.keys import BIG, read_waits, small_keys
from bench.jobs.ours import OurQueue
from bench.load.adding import Adding, add
from bench.load.queueing import LEFT_S, Queueing
from bench.load.worker import working
from bench.question import Answer, Figure, Question, Results, Say, param
from bench.reporting.percentiles import curve, ms
from bench.server import Server, serving
from bench.work import AT, KEYED, LEFT, LIMITED, QUEUE
from greenroom.transports.auth.signer import TokenSigner
from greenroom.transports.auth.tokens import TokenConfig

UNFINISHED = ("jobs", "job_takes")


@dataclass(frozen=True, kw_only=True)
class JobsParams:
    seconds: float = param(5.0, "how long jobs are added one by one, and in parallel")
    jobs: int = param(100_000, "jobs that are added in bulk and then worked on")
    slots: int = param(100, "jobs that run at once")
    in_flight: int = param(200, "adds on their way over one connection, in parallel")
    bulks: int = param(4, "connections that add in bulk, 1,000 jobs at once")
    lone: int = param(200, "lone jobs, by which the pickup is measured")
    lone_per_s: float = param(40.0, "lone jobs a second")
    waiting: int = param(1_000_000, "jobs that wait while some of them are worked on; 0: leave that out")
    kills: int = param(5, "workers that are killed with a job in hand; 0: leave that out")
    round_trip_ms: float = param(2.0, "to Postgres, and half of that, while jobs are worked on; 0: leave that out")
    keys: int = param(100_000, "jobs of one key, beside which 100 keys with 10 wait; 0: leave that out")
    key_runs: int = param(5, "times that these are added, and a queue without them is asked")
    held: float = param(0.0, "minutes for which a transaction is left open elsewhere; 0: leave that out")
    held_jobs: int = param(20_000, "jobs that are added, then worked on, again and again meanwhile")


def _pickups(asking: Queueing, params: JobsParams) -> "array[int]":
    """How long after it was sent each lone job ran, in nanoseconds, ascending."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "waits"
        for _ in range(params.lone):
            begun = time.monotonic()
            asking.command("add", job="job.waited", arguments={"sent_ns": time.monotonic_ns(), "file": str(file)})
            time.sleep(max(0.0, 1 / params.lone_per_s - (time.monotonic() - begun)))
        asking.wait_until_done()
        return read_waits(file, params.lone)


def _waiting(queue: OurQueue, asking: Queueing, server: Server, params: JobsParams) -> tuple[float, float]:
    """Jobs worked on each second while very many more wait, and the bytes of memory that each of these takes."""
    before = server.resident_bytes()
    queue.fill(params.waiting)
    waiting = asking.unfinished()
    each = (server.resident_bytes() - before) / waiting
    return asking.work(left=max(0, waiting - params.jobs)), each


def _limited(server: Server, adders: Adders, plan: Adding, params: JobsParams) -> float:
    """Jobs worked on each second where keys take turns, each with a limit."""
    limited = replace(plan, queue=LIMITED.name, job="job.limited", keys=100)
    queue = OurQueue(Queueing(server, plan.token, LIMITED.name), adders, limited)
    queue.fill(params.jobs)
    return queue.work()


def _rescues(server: Server, token: str, params: JobsParams) -> list[float]:
    """For each worker that was killed with a job in hand, how long after that the job ran again, in ms."""
    asking = Queueing(server, token, LEFT)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(params.kills):
            with working(server, token, f"{LEFT}:1"), working(server, token, f"{LEFT}:1"):
                file = Path(folder) / str(number)
                asking.command("add", job="job.left", arguments={"file": str(file)})
                (process,) = _said(file, 1)
                killed_ns = time.monotonic_ns()
                os.kill(process, signal.SIGKILL)
                found.append((_said(file, 2)[1] - killed_ns) / 1e6)
    return found


def _said(file: Path, count: int) -> list[int]:
    """What a job has written, once it is so much."""
    until = time.monotonic() + LEFT_S
    while not file.exists() or file.stat().st_size < count * AT:
        assert time.monotonic() < until, "a job did not run"
        time.sleep(0.001)
    data = file.read_bytes()
    return [int.from_bytes(data[at : at + AT], "little") for at in range(0, len(data), AT)]


async def _stored(run: Path) -> tuple[int, int, int]:
    """Jobs that are not finished, rows of those that are, and how many jobs these are."""
    connection = await asyncpg.connect(host=str(run), user="greenroom", database="greenroom")
    try:
        row = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM jobs), count(*), count(DISTINCT id) FROM jobs_done"
        )
    finally:
        await connection.close()
    return row[0], row[1], row[2]


def _small_keys(server: Server, adders: Adders, plan: Adding, params: JobsParams) -> tuple[Results, int]:
    """What a few jobs of many keys wait beside very many of one; how many jobs no adder has added."""
    keyed = replace(plan, queue=KEYED, job="job.keyed", key=BIG)
    queue = OurQueue(Queueing(server, plan.token, KEYED), adders, keyed)
    return small_keys(queue, params.keys, params.key_runs), queue.small


def answer(params: JobsParams, say: Say) -> Answer:
    secret = secrets.token_hex(32)
    settings = {
        "GREENROOM_ENTITIES": "bench.work",
        "GREENROOM_WORK": f"{QUEUE}:{params.slots},{LIMITED.name}:{params.slots},{KEYED}:{params.slots}",
        "GREENROOM_AUTH_SECRET": secret,
    }
    signer = TokenSigner(TokenConfig(secret=secret.encode()), time.time)
    token = signer.connection_token("bench", roles=("service",), ttl_s=3_600.0)
    extra: dict[str, float] = {}
    say("starting the server", 0.0)
    with adding(add, 1) as lone, adding(add, params.bulks) as many:
        with serving("", settings) as server:
            assert server.folder is not None
            run = server.folder / "data/run"
            asking = Queueing(server, token, QUEUE)
            plan = Adding(server.address, token, QUEUE, "job.nothing", params.in_flight)
            queue = OurQueue(asking, many, plan)
            say("lone jobs", 0.1)
            asking.command("add", job="job.nothing")
            asking.wait_until_done()
            waits = _pickups(asking, params)
            asking.command("pause")
            say("adding one by one", 0.3)
            single = lone.add("single", params.seconds, plan)
            say("adding in parallel", 0.4)
            parallel = lone.add("parallel", params.seconds, plan)
            asking.command("resume")
            asking.wait_until_done()
            say("adding in bulk", 0.5)
            before = server.cost()
            bulk = queue.fill(params.jobs)
            added = server.cost()
            say("working", 0.6)
            processed = queue.work()
            worked = server.cost()
            say("working with limits", 0.65)
            extra["limited_share"] = round(_limited(server, many, plan, params) / processed, 3)
            if params.kills:
                say("killing workers", 0.68)
                extra["rescue_ms"] = round(max(_rescues(server, token, params)), 1)
            of_keys = 0
            if params.keys:
                say("few jobs of many keys beside many of one", 0.69)
                found, of_keys = _small_keys(server, many, plan, params)
                extra |= found
            if params.held:
                say("working while a transaction is left open", 0.7)
                extra |= held(queue, params.held, params.held_jobs, run, UNFINISHED)
            if params.waiting:
                say("working while very many wait", 0.8)
                rate, each = _waiting(queue, asking, server, params)
                extra |= {"million_waiting_share": round(rate / processed, 3), "waiting_bytes": round(each)}
            all_added = lone.total + many.total + of_keys + params.lone + params.kills + 1
            unfinished, rows, distinct = asyncio.run(_stored(run))
        if params.round_trip_ms:
            say("working far away from Postgres", 0.9)
            rates = far_away(settings, many, plan, params.jobs, params.round_trip_ms)
            extra |= {name: round(rate / processed, 3) for name, rate in rates.items()}
    adding_cost, cost = added - before, worked - added
    results = {
        "processed_per_s": round(processed, 1),
        "add_single_per_s": round(single, 1),
        "add_parallel_per_s": round(parallel, 1),
        "add_bulk_per_s": round(bulk, 1),
        "pickup_p50_ms": ms(waits, 0.5),
        "pickup_p99_ms": ms(waits, 0.99),
        **extra,
        "lost": all_added - unfinished - distinct,
        "run_twice_completed": rows - distinct,
        "bulk_server_cpu_s": round(adding_cost.server_s, 2),
        "bulk_store_cpu_s": round(adding_cost.store_s, 2),
        **cost.results(0.0),
    }
    return Answer(results, {"pickup": curve(waits)}, cost.doubts(0.0))


QUESTION = Question(
    name="jobs",
    asks="How fast are jobs added and worked on, and how soon does a lone one run?",
    params=JobsParams,
    figures={
        "processed_per_s": Figure("jobs worked on each second, through one queue", at_least=15_000),
        "add_single_per_s": Figure("jobs added one by one each second, over one connection", at_least=3_000),
        "add_parallel_per_s": Figure("jobs added each second over one connection, many on their way", at_least=20_000),
        "add_bulk_per_s": Figure("jobs added each second, 1,000 at once", at_least=60_000),
        "pickup_p50_ms": Figure("from sending a lone job until it runs, median", at_most=3.0),
        "pickup_p99_ms": Figure("the same, 99th percentile", at_most=15.0),
        "limited_share": Figure("processed_per_s where 100 keys take turns within limits, as a share", at_least=0.8),
        "rtt2_share": Figure("processed_per_s at 2 ms to Postgres and back, as a share of it", at_least=0.6),
        "million_waiting_share": Figure("processed_per_s while a million wait, as a share of it", at_least=0.8),
        "rescue_ms": Figure("from kill -9 of a worker here until its job runs again, the longest", at_most=1_000),
        "lost": Figure("jobs that were added and are nowhere", at_most=0),
        "run_twice_completed": Figure("jobs that have ended twice", at_most=0),
        "waiting_bytes": Figure("memory of the server for each job that waits", at_most=300),
        "rtt1_share": Figure("processed_per_s at 1 ms to Postgres and back, as a share of it"),
        "held_share": Figure("jobs a second in the last minute of a transaction left open, as a share of those before"),
        "held_before_mb": Figure("tables and indexes of unfinished jobs before that"),
        "held_after_mb": Figure("and at its end"),
        "small_keys_alone_p99_ms": Figure("how long 1,000 jobs of 100 keys wait in an empty queue, 99th percentile"),
        "small_keys_p99_ms": Figure("the same beside 100,000 jobs of one other key"),
        "small_keys_ratio": Figure("the second as a multiple of the first", at_most=2.0),
    },
    answer=answer,
)
