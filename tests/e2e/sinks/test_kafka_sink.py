"""A Kafka sink of a real server that is killed and started again, as are the brokers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.server import Server, wait_until
from tests.transports.kafka.brokers import brokers, is_in_order

SHOWS = 5


@contextmanager
def clapping(server: Server, at_least: int) -> Iterator[None]:
    """Claps from four sides, until this ends or the server does; goes on once so many are answered."""
    stop, enough = threading.Event(), threading.Semaphore(0)

    def clap() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                server.command(f"show:{number % SHOWS}", "clap", {"user": f"user{number % 3}"})
            except (OSError, AssertionError):
                return
            enough.release()

    threads = [threading.Thread(target=clap) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(at_least):
            assert enough.acquire(timeout=30)
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_every_event_comes_in_order_though_servers_and_brokers_are_killed(database_url: str) -> None:
    with brokers(3) as cluster:
        cluster.create("claps", partitions=4)
        server = Server(
            GREENROOM_ENTITIES="tests.actors.views.shows,tests.actors.sinks.shows_kafka_sink",
            GREENROOM_DATABASE_URL=database_url,
            GREENROOM_KAFKA_SERVERS=",".join(cluster.servers),
            GREENROOM_KAFKA_SECURITY="plaintext",
            GREENROOM_KAFKA_TIMEOUT_S="2",
        )
        try:
            for fall in (server.kill, cluster.go_down, server.kill):
                if not server.running:
                    server.start()
                with clapping(server, at_least=200):
                    fall()
            server.start()
            server.restart()  # which stops within its time, though no broker answers
            cluster.come_up()
            totals = {f"show:{number}": total(server, number) for number in range(SHOWS)}
            came: dict[str, list[int]] = {}

            def is_all_there() -> bool:
                came.clear()
                for entity, offset in (one.position for one in cluster.read("claps")):
                    came.setdefault(entity, []).append(offset)
                return {entity: max(offsets) for entity, offsets in came.items()} == totals

            wait_until(is_all_there, "all that was clapped", within_s=90.0)
            assert all(is_in_order(offsets) for offsets in came.values())
            assert sum(totals.values()) >= 600
        finally:
            print(server.log()[-8_000:])
            server.remove()


def total(server: Server, number: int) -> int:
    """How often it was clapped, each an event."""
    claps = server.request("GET", f"/api/show/{number}").body["view"]["total"]
    assert isinstance(claps, int)
    return claps
