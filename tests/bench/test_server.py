import os

from bench.server import Cost, Server


def test_what_others_took_is_what_nobody_of_ours_used() -> None:
    cores = len(os.sched_getaffinity(0))
    cost = Cost(5.0, 3.0, 10.0, 20.0) - Cost(4.0, 2.5, 5.0, 10.0)
    found = cost.results(1.0)
    assert found == {
        "server_cpu_s": 1.0,
        "store_cpu_s": 0.5,
        "generator_cpu_s": 1.0,
        "others_cpu_share": round(2.5 / (10 * cores), 3),
    }
    assert Cost(0, 0, 9.0 * cores, 10.0).doubts(0.0) and not Cost(0, 0, 0.0, 10.0).doubts(0.0)


def test_a_process_is_read_from_proc() -> None:
    server = Server(("127.0.0.1", 1), os.getpid(), None)
    before = server.cost()
    while (server.cost() - before).server_s < 0.02:
        pass  # burn some
    assert server.resident_bytes() > 1 << 20
