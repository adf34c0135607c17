"""A flow, checked: each job comes behind what it waits for, and whoever is to blame is named."""

from typing import Any

import msgspec
import pytest

from greenroom import Refused, WaitFor
from greenroom.actors.jobs.options import UniqueKey
from greenroom.actors.jobs.queue.flows.checked import DEPTH_MAX, SHOWN_MAX, in_order
from greenroom.actors.jobs.queue.flows.messages import AddFlow, FlowJob
from greenroom.actors.jobs.queue.messages import AT_ONCE

ID = "0" * 32


def job(name: str, *after: str, **fields: Any) -> FlowJob:
    return FlowJob(name=name, job="job.x", after=[WaitFor(one) for one in after], **fields)


def names(*jobs: FlowJob) -> list[str]:
    return [one.name for one in in_order(jobs)]


def test_each_comes_behind_all_that_it_waits_for() -> None:
    assert names(job("c", "b", "a"), job("b", "a"), job("a", ID)) == ["a", "b", "c"]
    assert names(job("b", children=[WaitFor("a")]), job("a")) == ["a", "b"]


def chain(length: int) -> list[FlowJob]:
    return [job(str(number), *([str(number - 1)] if number else [])) for number in range(length)]


def ring(length: int) -> list[FlowJob]:
    return [job(str(number), str((number + 1) % length)) for number in range(length)]


@pytest.mark.parametrize(
    ("jobs", "name", "text"),
    [
        ([job("a"), job("a")], "queue.flow_names", "'a'"),
        ([job("a", "b")], "queue.unknown_job", "'a' waits for 'b'"),
        ([job("a", "a")], "queue.cycle", "a → a"),
        ([job("c", "a"), job("a", "b"), job("b", "a"), job("d", "c")], "queue.cycle", "a → b → a"),
        (ring(SHOWN_MAX + 1), "queue.cycle", "9 → … → 0"),
        ([job("a", unique=UniqueKey("k"))], "queue.unique_in_flow", "'a'"),
        ([job("a", when="success")], "job.waits_for_nothing", "'a'"),
        (
            [job("a"), job("b", children=[WaitFor("a")]), job("c", children=[WaitFor("a")])],
            "queue.two_parents",
            "'a' is a child of 'b' and of 'c'",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_can_not_be_names_who_is_to_blame(jobs: list[FlowJob], name: str, text: str) -> None:
    with pytest.raises(Refused, match=text) as caught:
        in_order(jobs)
    assert caught.value.name == name


@pytest.mark.bound("jobs of such a flow that wait for one another in a row")
def test_so_many_in_a_row_and_no_more() -> None:
    assert len(in_order(chain(DEPTH_MAX))) == DEPTH_MAX
    with pytest.raises(Refused, match=f"'{DEPTH_MAX}' waits at the end") as caught:
        in_order(chain(DEPTH_MAX + 1))
    assert caught.value.name == "queue.flow_too_deep"


@pytest.mark.bound("jobs of a flow that is added at once")
def test_so_many_at_once_and_no_more() -> None:
    jobs = [{"name": str(number), "job": "job.x"} for number in range(AT_ONCE + 1)]
    assert len(msgspec.convert({"jobs": jobs[1:]}, AddFlow).jobs) == AT_ONCE
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"jobs": jobs}, AddFlow)
