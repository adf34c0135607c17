"""Its side of the benchmark of jobs: the same Postgres as ours, its settings and its fsync, in a folder of its own."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from bench.jobs.adders import Adders, adding
from bench.jobs.far import DISTANCES
from bench.jobs.held import held
from bench.jobs.keys import read_waits, small_keys
from bench.load.distance import distant
from bench.peers.skip_locked.adding import Adding, add
from bench.peers.skip_locked.queue import pickups, their_queue
from bench.peers.skip_locked.table import Place, create
from bench.peers.skip_locked.worker import Working
from bench.question import Answer, Say
from bench.questions.jobs import JobsParams
from bench.reporting.percentiles import curve, ms
from bench.reporting.sides import Side
from greenroom.store.own.servers import OwnServers

ANSWERS = {"jobs": None}
DURABILITY = "durable: every job is in Postgres, with fsync, before anybody hears of it"
ABOUT = (
    f"a table claimed with SKIP LOCKED, {Working.batch} at a time over {Working.loops} connections of one process; "
    f"asyncpg {asyncpg.__version__}, the same Postgres as ours"
)
QUEUE = "bench"
UNFINISHED = ("peer_jobs",)


def side(bench: str) -> Side:
    """Its side of a benchmark in ANSWERS."""
    return Side("skip-locked", answer, DURABILITY, ABOUT)


def answer(params: JobsParams, say: Say) -> Answer:
    say("starting Postgres", 0.0)
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        run = stack.enter_context(_postgres())
        place = Place(str(run))
        connection = runner.run(place.connect())
        stack.callback(lambda: runner.run(connection.close()))
        runner.run(create(connection, int(time.time() * 1000)))
        return _Measuring(params, say, runner, run, connection).answer()


class _Measuring:
    def __init__(
        self, params: JobsParams, say: Say, runner: asyncio.Runner, run: Path, connection: asyncpg.Connection
    ) -> None:
        self._params = params
        self._say = say
        self._runner = runner
        self._run = run
        self._connection = connection

    def answer(self) -> Answer:
        params, say = self._params, self._say
        results: dict[str, float] = {}
        place = Place(str(self._run))
        plan = Adding(place, QUEUE, "job.nothing", params.in_flight)
        with (
            adding(add, 1) as lone,
            adding(add, params.bulks) as many,
            their_queue(self._runner, place, QUEUE, many) as queue,
            tempfile.TemporaryDirectory() as folder,
        ):
            say("lone jobs", 0.1)
            file = Path(folder) / "waits"
            pickups(queue, params.lone, params.lone_per_s, file)
            waits = read_waits(file, params.lone)
            queue.finish()
            say("adding one by one", 0.2)
            results["add_single_per_s"] = lone.add("single", params.seconds, plan)
            say("adding in parallel", 0.3)
            results["add_parallel_per_s"] = lone.add("parallel", params.seconds, plan)
            queue.work()
            say("adding in bulk", 0.4)
            results["add_bulk_per_s"] = queue.fill(params.jobs)
            say("working", 0.5)
            processed = results["processed_per_s"] = queue.work()
            if params.keys:
                say("few jobs of many keys beside many of one", 0.53)
                results |= small_keys(queue, params.keys, params.key_runs)
            if params.round_trip_ms:
                say("working far away from Postgres", 0.54)
                results |= {name: round(rate / processed, 3) for name, rate in self._far_away(many).items()}
            if params.held:
                say("working while a transaction is left open", 0.55)
                results |= held(queue, params.held, params.held_jobs, self._run, UNFINISHED)
            if params.waiting:
                say("working while very many wait", 0.9)
                queue.fill(params.waiting)
                rate = queue.work(min(params.jobs, params.waiting))
                results["million_waiting_share"] = round(rate / processed, 3)
            added = lone.total + many.total + queue.small
        unfinished, rows, distinct = self._stored()
        results = {name: round(value, 3) for name, value in results.items()} | {
            "pickup_p50_ms": ms(waits, 0.5),
            "pickup_p99_ms": ms(waits, 0.99),
            "lost": added - unfinished - distinct,
            "run_twice_completed": rows - distinct,
        }
        return Answer(results, {"pickup": curve(waits)})

    def _far_away(self, adders: Adders) -> dict[str, float]:
        """Jobs worked on each second, by the name of what says so."""
        found = {}
        with distant(str(self._run / ".s.PGSQL.5432"), 0.0) as distance:
            far = Place("127.0.0.1", distance.port)
            with their_queue(self._runner, far, "far", adders) as queue:
                for name, share in DISTANCES.items():
                    distance.become(self._params.round_trip_ms * share / 1_000)
                    queue.fill(self._params.jobs)
                    found[name] = queue.work()
        return found

    def _stored(self) -> tuple[int, int, int]:
        """Jobs that are not finished, rows of those that are, and how many jobs these are."""
        row = self._runner.run(
            self._connection.fetchrow(
                "SELECT (SELECT count(*) FROM peer_jobs), count(*), count(DISTINCT id) FROM peer_jobs_done"
            )
        )
        return row[0], row[1], row[2]


@contextmanager
def _postgres() -> Iterator[Path]:
    """The folder of its socket."""
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # as root: for the account that Postgres runs as
        own = OwnServers(Path(folder).resolve())
        database_url, _ = own.start()
        try:
            yield Path(parse_qs(urlsplit(database_url).query)["host"][0])
        finally:
            own.stop()
