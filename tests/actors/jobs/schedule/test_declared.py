"""What the code declares: found by module, and looked at before a node starts."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from greenroom import schedule
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.schedule.declared import check_declared, declared_in
from greenroom.actors.model.kinds import BadEntityClass
from tests.actors.jobs.schedule.stage import JOBS, Report

CODE = """
from greenroom import schedule
from tests.actors.jobs.schedule.stage import Report
schedule("nightly", Report(of="a"), cron="0 3 * * *", tz="Europe/Berlin")
often = schedule("often", Report(), every=60, jitter=5, note="so that it is")
"""


@pytest.fixture
def modules() -> Iterator[None]:
    for name in ("shop", "shop.reports", "shopping"):
        module = ModuleType(name)
        exec(CODE.replace("nightly", f"nightly of {name}").replace('"often"', f'"often of {name}"'), vars(module))
        sys.modules[name] = module
    yield
    for name in ("shop", "shop.reports", "shopping"):
        del sys.modules[name]


@pytest.mark.usefixtures("modules")
def test_a_module_s_are_found_and_those_below_it() -> None:
    found = [one.name for one in declared_in(["shop", "shop:Report"])]
    assert found == ["nightly of shop", "often of shop", "nightly of shop.reports", "often of shop.reports"]
    assert [one.name for one in declared_in(["shop", "shop.reports"])] == found
    assert declared_in(["shop:Report", "sho"]) == []


def test_as_it_is_stored() -> None:
    made = schedule("nightly", Report(of="a"), cron="0 3 * * *", tz="Europe/Berlin", overlap="buffer_one")
    spec = made.spec
    assert (spec.job, spec.queue, spec.arguments, spec.overlap) == ("job.report", "mail", {"of": "a"}, "buffer_one")
    assert (spec.when.cron, spec.when.tz) == ("0 3 * * *", "Europe/Berlin")
    moment = datetime(2027, 1, 1, tzinfo=UTC)
    assert schedule("n", Report(), once=moment).spec.when.once_ms == moment.timestamp() * 1000
    assert schedule("n", Report(), once=moment.timestamp()) == schedule("n", Report(), once=moment)


def test_the_digest_is_of_all_that_is_said() -> None:
    made = [
        schedule("n", Report(), cron="0 3 * * *"),
        schedule("n", Report(), cron="0 4 * * *"),
        schedule("n", Report(of="b"), cron="0 3 * * *"),
        schedule("n", Report(), cron="0 3 * * *", note="b"),
    ]
    assert len({one.digest for one in made}) == len(made)
    assert made[0].digest == schedule("n", Report(), cron="0 3 * * *").digest


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "`cron`, `every_s` and `once_ms`"),
        ({"cron": "61 * * * *"}, "`cron`"),
        ({"cron": "* * * * *", "tz": "Nowhere"}, "`tz`"),
        ({"every": 0.5}, "`every_s`"),
        ({"every": 60, "jitter": 100}, "`jitter_s`"),
        ({"every": 60, "overlap": "never"}, "overlap"),
        ({"every": 60, "catch_up": 1}, "catch_up_s"),
        ({"once": datetime(2027, 1, 1)}, "time zone"),
    ],
)
def test_what_is_wrong_is_said_where_it_is_declared(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        schedule("n", Report(), **arguments)


@pytest.mark.parametrize("name", ["", "a\nb", "n" * 256])
def test_names(name: str) -> None:
    with pytest.raises(ValueError, match="schedule"):
        schedule(name, Report(), every=60)


def test_two_of_one_name_and_jobs_that_are_not_installed() -> None:
    made = schedule("n", Report(), every=60)
    assert check_declared([made], JOBS) == [made]
    with pytest.raises(BadEntityClass, match="two schedules have the name 'n'"):
        check_declared([made, made], JOBS)
    with pytest.raises(BadEntityClass, match=r"job\.report"):
        check_declared([made], Jobs())
