"""What a network, a host or a store may do to three nodes: there are never two writers, never a gap, and what was
acknowledged is there. In each of these people at every host go on speaking, and watching."""

import itertools
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.server import wait_until
from tests.faults.network.conftest import LEASE_S, Site
from tests.faults.network.traffic import Traffic

ROOMS = [f"room:{number}" for number in range(12)]
# From a fault that only the lease tells until every room answers again: what is left of the lease, a look of somebody
# else's at it, and the patience of a speaker who has asked the wrong nodes. The rest is for a machine that is busy.
TAKEN_OVER_S = LEASE_S + 4.0
# Until a node says that it reaches nobody, the others have said no such thing, and it has handed over its part.
LEFT_OUT_S = 20.0
tags = itertools.count(1)


@contextmanager
def speaking(site: Site, *, histories: int = 1) -> Iterator[Traffic]:
    """At the end all is well again, and nothing was lost, doubled, or written by two."""
    began = time.monotonic()
    with Traffic(site.nodes, ROOMS, f"t{next(tags)}-") as traffic:
        wait_until(lambda: traffic.all_answered_since(began), "all rooms to answer", within_s=30)
        yield traffic
        site.restore()
        healed = time.monotonic()
        wait_until(lambda: traffic.all_answered_since(healed), "all rooms to answer again", within_s=30)
        traffic.stop_speaking(within_s=20)
        stored = site.stored(ROOMS)
        wait_until(lambda: traffic.have_seen_all(stored), "watchers to see all", within_s=30)
    assert traffic.wrong(stored, histories=histories) == []
    assert site.two_writers() == []


def taken_over(site: Site, traffic: Traffic, since: float, *dead: int) -> None:
    """Every room has answered to something that was sent after that moment, and these incarnations are buried.

    Shards may still be on their way to who came last, so whom a test strikes may own no room any more by then."""
    wait_until(lambda: traffic.all_answered_since(since), "all rooms to answer", within_s=30)
    assert traffic.longest_away_s(since) < TAKEN_OVER_S
    wait_until(lambda: site.alive().isdisjoint(dead), "them to be buried", within_s=30)


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
        alive = site.alive()
        site.lab.cut(victim.host.name, "valkey")
        cut = time.monotonic()
        time.sleep(LEASE_S + 1.0)
        assert site.alive() == alive, "its lease is fresh: nobody takes it for dead"
        assert any(one.at_s > cut + LEASE_S and one.by == victim.host.name for one in traffic.acknowledged)
        site.lab.heal()
        healed = time.monotonic()
        wait_until(lambda: traffic.all_answered_since(healed), "all rooms to answer")
        assert time.monotonic() - healed < 5.0


def test_one_that_stays_cut_from_redis_gives_the_others_what_it_owns_and_is_not_ready(site: Site) -> None:
    victim, *_ = site.by_rooms(ROOMS)
    with speaking(site) as traffic:
        alive, me = site.alive(), site.incarnation(victim)
        site.lab.cut(victim.host.name, "valkey")
        cut = time.monotonic()
        wait_until(lambda: me not in site.owners(), "it to own nothing", within_s=30)
        moved = time.monotonic()
        wait_until(lambda: traffic.all_answered_since(moved), "all rooms to answer", within_s=10)
        assert traffic.longest_away_s(cut) < LEFT_OUT_S
        with victim.host.inside():
            answer = victim.server.request("GET", "/ready")
        assert (answer.status, answer.body["left_out"]) == (503, True)
        connects = traffic.connects(victim)
        sent = "its clients to be told to come again, which would bring them elsewhere"
        wait_until(lambda: '"clients_sent_elsewhere"' in victim.server.log(), sent, within_s=30)
        wait_until(lambda: traffic.connects(victim) > connects, sent, within_s=10)
        assert site.alive() == alive, "its lease is fresh: nobody takes it for dead"
        site.lab.heal()
        wait_until(lambda: me in site.owners(), "it to have its part again", within_s=40)
        wait_until(lambda: site.is_settled, "the shards to settle", within_s=40)
        assert site.alive() == alive


def test_a_redis_that_starts_anew_and_empty_changes_no_owner(site: Site) -> None:
    with speaking(site) as traffic:
        alive = site.alive()
        struck = time.monotonic()
        site.stores.restart_valkey()
        wait_until(lambda: traffic.all_answered_since(struck), "all rooms to answer")
        assert traffic.longest_away_s(struck) < 5.0
        assert site.alive() == alive


def test_a_postgres_that_is_away_for_longer_than_a_lease_ends_nobody(site: Site) -> None:
    with speaking(site) as traffic:
        alive = site.alive()
        site.stores.crash_postgres()
        time.sleep(LEASE_S + 1.0)
        back = time.monotonic()
        site.stores.come_back()
        wait_until(lambda: traffic.all_answered_since(back), "all rooms to answer")
        time.sleep(1.5)  # others look, and find no lease that has run out
        assert site.alive() == alive
        assert all(node.server.running for node in site.nodes)


def test_a_standby_that_takes_over_has_all_begin_anew_and_loses_nothing(site: Site) -> None:
    with speaking(site, histories=2) as traffic:
        struck = time.monotonic()
        site.stores.promote()
        wait_until(lambda: traffic.all_answered_since(struck), "all rooms to answer")
        assert all(node.server.running for node in site.nodes)
