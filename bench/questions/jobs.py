"""How fast are jobs added and worked on, and how soon does a lone one run?

The server works on them itself, and they do nothing, so what is measured is what a job costs. It is durable before its
add is answered, and what became of it before it counts as done.
"""

import http.client
import json
import secrets
import tempfile
import time
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.load.adding import Adding, add
from bench.load.distance import distant
from bench.load.generators import Fleet, fleet
from bench.question import Answer, Figure, Question, Say, param
from bench.reporting.percentiles import curve, ms
from bench.server import Server, serving
from bench.work import AT, QUEUE
from greenroom.store.own.servers import OwnServers
from greenroom.transports.auth.signer import TokenSigner
from greenroom.transports.auth.tokens import TokenConfig

LOOK_S = 0.02  # between two looks at how many are left
LEFT_S = 120.0


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
    round_trip_ms: float = param(2.0, "to Postgres, while jobs are worked on once more; 0: leave that out")


class Asking:
    """Commands to the queue over one connection."""

    def __init__(self, server: Server, token: str) -> None:
        self._connection = http.client.HTTPConnection(*server.address, timeout=60.0)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def command(self, name: str, **fields: object) -> object:
        return self._ask("POST", f"/api/queue/{QUEUE}/{name}", json.dumps(fields))

    def unfinished(self) -> int:
        view = self._ask("GET", f"/api/queue/{QUEUE}", "")
        count: int = view["view"]["unfinished"]
        return count

    def _ask(self, method: str, path: str, body: str) -> dict[str, Any]:
        self._connection.request(method, path, body or None, self._headers)
        response = self._connection.getresponse()
        said = response.read()
        assert response.status == 200, said[:300]
        found: dict[str, Any] = json.loads(said)
        return found

    def wait_until_done(self, left: int = 0) -> float:
        """The moment when at most so many were left, of the performance counter."""
        until = time.monotonic() + LEFT_S
        while self.unfinished() > left:
            assert time.monotonic() < until, f"jobs were not done within {LEFT_S:g} s"
            time.sleep(LOOK_S)
        return time.perf_counter()


def _added(generators: Fleet, how: str, amount: float, *, within_s: float) -> float:
    """Jobs a second."""
    generators.tell("add", (how, amount))
    found = generators.wait("added", within_s=within_s)
    rate: float = sum(count for count, _ in found) / max(seconds for _, seconds in found)
    return rate


def _pickups(asking: Asking, params: JobsParams) -> "array[int]":
    """How long after it was sent each lone job ran, in nanoseconds, ascending."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "waits"
        for _ in range(params.lone):
            begun = time.monotonic()
            asking.command("add", job="job.waited", arguments={"sent_ns": time.monotonic_ns(), "file": str(file)})
            time.sleep(max(0.0, 1 / params.lone_per_s - (time.monotonic() - begun)))
        asking.wait_until_done()
        data = file.read_bytes()
    assert len(data) == AT * params.lone, f"{len(data) // AT} of {params.lone} lone jobs have run"
    return array("q", sorted(int.from_bytes(data[at : at + AT], "little") for at in range(0, len(data), AT)))


def _worked(asking: Asking, *, left: int) -> float:
    """Jobs a second, until so many are left; the queue was paused."""
    jobs = asking.unfinished() - left
    begun = time.perf_counter()
    asking.command("resume")
    return jobs / (asking.wait_until_done(left) - begun)


def _waiting(many: Fleet, asking: Asking, server: Server, params: JobsParams) -> tuple[float, float]:
    """Jobs worked on each second while very many more wait, and the bytes of memory that each of these takes."""
    before = server.resident_bytes()
    _added(many, "bulk", params.waiting // params.bulks, within_s=LEFT_S)
    waiting = asking.unfinished()
    each = (server.resident_bytes() - before) / waiting
    return _worked(asking, left=max(0, waiting - params.jobs)), each


def _far_away(params: JobsParams, settings: dict[str, str], token: str) -> float:
    """Jobs worked on each second, by a server whose Postgres is far away."""
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # as root: for the account that Postgres runs as
        own = OwnServers(Path(folder).resolve())
        database_url, redis_url = own.start()
        path = f"{parse_qs(urlsplit(database_url).query)['host'][0]}/.s.PGSQL.5432"
        try:
            with distant(path, params.round_trip_ms / 1_000) as port:
                far = {
                    "GREENROOM_DATABASE_URL": f"postgresql://greenroom@127.0.0.1:{port}/greenroom",
                    "GREENROOM_REDIS_URL": redis_url,
                }
                with serving("", settings | far) as server:
                    asking = Asking(server, token)
                    plan = Adding(server.address, token, QUEUE, "job.nothing", params.in_flight)
                    with fleet(add, [plan] * params.bulks) as many:
                        many.wait("ready", within_s=30.0)
                        asking.command("pause")
                        _added(many, "bulk", params.jobs // params.bulks, within_s=LEFT_S)
                        return _worked(asking, left=0)
        finally:
            own.stop()


def answer(params: JobsParams, say: Say) -> Answer:
    secret = secrets.token_hex(32)
    settings = {
        "GREENROOM_ENTITIES": "bench.work",
        "GREENROOM_WORK": f"{QUEUE}:{params.slots}",
        "GREENROOM_AUTH_SECRET": secret,
    }
    signer = TokenSigner(TokenConfig(secret=secret.encode()), time.time)
    token = signer.connection_token("bench", roles=("service",), ttl_s=3_600.0)
    extra: dict[str, float] = {}
    say("starting the server", 0.0)
    with serving("", settings) as server:
        asking = Asking(server, token)
        plan = Adding(server.address, token, QUEUE, "job.nothing", params.in_flight)
        with fleet(add, [plan]) as lone, fleet(add, [plan] * params.bulks) as many:
            lone.wait("ready", within_s=30.0)
            many.wait("ready", within_s=30.0)
            say("lone jobs", 0.1)
            asking.command("add", job="job.nothing")
            asking.wait_until_done()
            waits = _pickups(asking, params)
            asking.command("pause")
            say("adding one by one", 0.3)
            single = _added(lone, "single", params.seconds, within_s=params.seconds + 60.0)
            say("adding in parallel", 0.4)
            parallel = _added(lone, "parallel", params.seconds, within_s=params.seconds + 60.0)
            asking.command("resume")
            asking.wait_until_done()
            asking.command("pause")
            say("adding in bulk", 0.5)
            before = server.cost()
            bulk = _added(many, "bulk", params.jobs // params.bulks, within_s=120.0)
            added = server.cost()
            say("working", 0.6)
            processed = _worked(asking, left=0)
            worked = server.cost()
            if params.waiting:
                say("working while very many wait", 0.7)
                asking.command("pause")
                rate, each = _waiting(many, asking, server, params)
                extra |= {"million_waiting_share": round(rate / processed, 3), "waiting_bytes": round(each)}
    if params.round_trip_ms:
        say("working far away from Postgres", 0.9)
        extra["rtt2_share"] = round(_far_away(params, settings, token) / processed, 3)
    adding_cost, cost = added - before, worked - added
    results = {
        "processed_per_s": round(processed, 1),
        "add_single_per_s": round(single, 1),
        "add_parallel_per_s": round(parallel, 1),
        "add_bulk_per_s": round(bulk, 1),
        "pickup_p50_ms": ms(waits, 0.5),
        "pickup_p99_ms": ms(waits, 0.99),
        **extra,
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
        "rtt2_share": Figure("processed_per_s at 2 ms to Postgres and back, as a share of it", at_least=0.6),
        "million_waiting_share": Figure("processed_per_s while a million wait, as a share of it", at_least=0.8),
        "waiting_bytes": Figure("memory of the server for each job that waits", at_most=300),
    },
    answer=answer,
)
