"""What a network, a host or a store may do to three nodes: there are never two writers, never a gap, and what was
acknowledged is there. In each of these people at every host go on speaking, and watching.

Nothing here is said of how long it takes, which is the machine's and what else it does: `bench failover` measures that.
What a test waits for has happened: a lease has run out by the clock of who judges it, or was renewed; rooms answer.
"""

import itertools
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.e2e.server import wait_until
from tests.faults.network.conftest import Site
from tests.faults.network.traffic import Traffic

ROOMS = [f"room:{number}" for number in range(12)]
PATIENCE_S = 120.0  # for what never comes
tags = itertools.count(1)


@contextmanager
def speaking(site: Site, *, histories: int = 1) -> Iterator[Traffic]:
    """At the end all is well again, and nothing was lost, doubled, or written by two."""
    began = time.monotonic()
    with Traffic(site.nodes, ROOMS, f"t{next(tags)}-") as traffic:
        wait_until(lambda: traffic.all_answered_since(began), "all rooms to answer", within_s=PATIENCE_S)
        yield traffic
        site.restore()
        healed = time.monotonic()
        wait_until(lambda: traffic.all_answered_since(healed), "all rooms to answer again", within_s=PATIENCE_S)
        traffic.stop_speaking(within_s=PATIENCE_S)
        stored = site.stored(ROOMS)
        wait_until(lambda: traffic.have_seen_all(stored), "watchers to see all", within_s=PATIENCE_S)
    assert traffic.wrong(stored, histories=histories) == []
    assert site.two_writers() == []


def taken_over(site: Site, traffic: Traffic, since: float, *dead: int) -> None:
    """Every room has answered to something that was sent after that moment, and these incarnations are buried.

    Shards may still be on their way to who came last, so whom a test strikes may own no room any more by then."""
    wait_until(lambda: traffic.all_answered_since(since), "all rooms to answer", within_s=PATIENCE_S)
    wait_until(lambda: site.alive().isdisjoint(dead), "them to be buried", within_s=PATIENCE_S)


def test_one_that_is_cut_from_postgres_is_taken_over_and_finds_itself_dead(site: Site) -> None:
    victim, *_ = site.by_rooms(ROOMS)
    with speaking(site) as traffic:
        me, cut = site.incarnation(victim), time.monotonic()
        site.lab.cut(victim.host.name, "postgres")
        taken_over(site, traffic, cut, me)
        assert victim.server.running, "it does not know, and answers nothing"
        site.lab.heal()
        wait_until(lambda: not victim.server.running, "it to find itself dead")
        assert victim.server.stop() == 1
        assert '"node_declared_dead"' in victim.server.log()


def test_packets_that_are_lost_one_way_are_a_cut_like_any(site: Site) -> None:
    """One node's statements don't arrive; another's do, and it never hears of it."""
    deaf, dumb, _ = site.by_rooms(ROOMS)
    with speaking(site) as traffic:
        both, cut = (site.incarnation(deaf), site.incarnation(dumb)), time.monotonic()
        site.lab.lose("postgres", deaf.host.name)
        site.lab.lose(dumb.host.name, "postgres")
        taken_over(site, traffic, cut, *both)
        site.lab.heal()
        wait_until(lambda: not (deaf.server.running or dumb.server.running), "both to find themselves dead")
        assert [deaf.server.stop(), dumb.server.stop()] == [1, 1]


def test_one_that_is_frozen_and_one_whose_host_is_gone_are_taken_over(site: Site) -> None:
    """The first wakes up in a world in which all that it has is another's."""
    frozen, gone, _ = site.by_rooms(ROOMS)
    with speaking(site) as traffic:
        me, struck = site.incarnation(frozen), time.monotonic()
        os.kill(frozen.server.pid, signal.SIGSTOP)
        site.lab.cut(
            gone.host.name, *(name for name in ("postgres", "valkey", "one", "two", "three") if name != gone.host.name)
        )
        os.kill(gone.server.pid, signal.SIGSTOP)  # else its end would be seen: all hosts are on this one
        taken_over(site, traffic, struck, me)
        gone.server.kill()
        os.kill(frozen.server.pid, signal.SIGCONT)
        wait_until(lambda: not frozen.server.running, "it to find itself dead")
        assert frozen.server.stop() == 1


def test_one_that_is_killed_is_taken_over_by_proof_of_its_end(site: Site) -> None:
    """Its process is seen to be gone, and nobody waits for its lease."""
    victim, *others = site.by_rooms(ROOMS)
    with speaking(site) as traffic:
        me, seen = site.incarnation(victim), [node.server.log_bytes() for node in others]
        struck = time.monotonic()
        victim.server.kill()
        taken_over(site, traffic, struck)
        buried = [
            line
            for node, since in zip(others, seen, strict=True)
            for line in node.server.log()[since:].splitlines()
            if '"node_buried"' in line and f"{me:016x}" in line
        ]
        assert buried and all("lease" not in json.loads(line)["why"] for line in buried), buried


def test_one_that_is_cut_from_redis_for_a_moment_keeps_all_that_is_its_own(site: Site) -> None:
    victim, *_ = site.by_rooms(ROOMS)
    with speaking(site) as traffic:
        alive, me = site.alive(), site.incarnation(victim)
        leases = site.leases()
        site.lab.cut(victim.host.name, "valkey")
        outlived = f"the lease that {victim.host.name} had to run out, and it to have another"
        wait_until(lambda: site.has_run_out(leases[me]) and site.leases()[me] > leases[me], outlived)
        later = time.monotonic()
        assert site.alive() == alive, "its lease is fresh: nobody takes it for dead"
        still = "it to answer still"
        wait_until(lambda: traffic.has_answered_since(later, victim.host.name), still, within_s=PATIENCE_S)
        site.lab.heal()
        healed = time.monotonic()
        wait_until(lambda: traffic.all_answered_since(healed), "all rooms to answer", within_s=PATIENCE_S)
        assert site.alive() == alive and me in site.owners()


def test_one_that_stays_cut_from_redis_gives_the_others_what_it_owns_and_is_not_ready(site: Site) -> None:
    victim, *_ = site.by_rooms(ROOMS)
    with speaking(site) as traffic:
        alive, me = site.alive(), site.incarnation(victim)
        site.lab.cut(victim.host.name, "valkey")
        wait_until(lambda: me not in site.owners(), "it to own nothing", within_s=PATIENCE_S)
        moved = time.monotonic()
        wait_until(lambda: traffic.all_answered_since(moved), "all rooms to answer", within_s=PATIENCE_S)
        with victim.host.inside():
            answer = victim.server.request("GET", "/ready")
        assert (answer.status, answer.body["left_out"]) == (503, True)
        connects = traffic.connects(victim)
        sent = "its clients to be told to come again, which would bring them elsewhere"
        wait_until(lambda: '"clients_sent_elsewhere"' in victim.server.log(), sent, within_s=PATIENCE_S)
        wait_until(lambda: traffic.connects(victim) > connects, sent, within_s=PATIENCE_S)
        assert site.alive() == alive, "its lease is fresh: nobody takes it for dead"
        site.lab.heal()
        wait_until(lambda: me in site.owners(), "it to have its part again", within_s=PATIENCE_S)
        wait_until(lambda: site.is_settled, "the shards to settle", within_s=PATIENCE_S)
        assert site.alive() == alive


def test_a_redis_that_starts_anew_and_empty_changes_no_owner(site: Site) -> None:
    with speaking(site) as traffic:
        alive = site.alive()
        site.stores.restart_valkey()
        struck = time.monotonic()
        wait_until(lambda: traffic.all_answered_since(struck), "all rooms to answer", within_s=PATIENCE_S)
        assert site.alive() == alive


def test_a_postgres_that_is_away_for_longer_than_a_lease_ends_nobody(site: Site) -> None:
    with speaking(site) as traffic:
        alive, leases = site.alive(), site.leases()
        site.stores.crash_postgres()
        wait_until(lambda: site.has_run_out(*leases.values()), "all leases to run out", within_s=PATIENCE_S)
        back = time.monotonic()
        site.stores.come_back()
        wait_until(lambda: traffic.all_answered_since(back), "all rooms to answer", within_s=PATIENCE_S)
        for _ in range(2):  # who looked before that, and found leases that had run out, has done what it does by then
            wait_until(partial(site.are_newer, site.leases()), "all to renew theirs", within_s=PATIENCE_S)
        assert site.alive() == alive
        assert all(node.server.running for node in site.nodes)


def test_a_standby_that_takes_over_has_all_begin_anew_and_loses_nothing(site: Site) -> None:
    with speaking(site, histories=2) as traffic:
        struck = time.monotonic()
        site.stores.promote()
        wait_until(lambda: traffic.all_answered_since(struck), "all rooms to answer", within_s=PATIENCE_S)
        assert all(node.server.running for node in site.nodes)
