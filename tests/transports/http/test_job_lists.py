"""Queries of the lists of jobs and queues: understood, or refused with the name of what is wrong."""

from typing import Any
from unittest.mock import AsyncMock

import msgspec
import pytest

from greenroom.actors.jobs.listing.lists import LIMIT, JobsPage, QueueShown, QueuesPage
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.principal import Principal
from greenroom.actors.views.cursor import BadCursor
from greenroom.store.jobs.filter import JobFilter
from greenroom.transports.errors import BadRequest
from greenroom.transports.http.job_lists import JOBS, QUEUES, ListRequest, list_answer, list_request

STAFF = Principal(user="ops", roles=frozenset(("service",)))


def test_every_parameter_is_a_filter_but_limit_and_after() -> None:
    query = b"queue=media&state=failed,waiting&kind=job.x&key=&search=Red+kite&added_since_ms=5&limit=7&after=abc"
    asked = JobFilter("media", ("failed", "waiting"), "job.x", "", ("red", "kite"), (), 5)
    assert list_request(JOBS, query) == ListRequest(asked, "abc", 7)
    assert list_request(JOBS, b"state=") == ListRequest(JobFilter(), None, LIMIT)
    assert list_request(QUEUES, b"after=media") == ListRequest(None, "media", LIMIT)


@pytest.mark.parametrize(
    ("path", "query", "named"),
    [
        (JOBS, b"state=done", "state"),
        (JOBS, b"states=failed", "states is no filter of jobs"),
        (JOBS, b"kind=a%00", "kind"),
        (JOBS, b"queue=a%00", "queue"),
        (JOBS, b"id=7", "id"),
        (JOBS, b"limit=1001", "limit must be 1 to 1000"),
        (JOBS, b"limit=0", "limit"),
        (JOBS, b"added_since_ms=yesterday", "added_since_ms must be Unix milliseconds"),
        (JOBS, b"search=a+b+c+d+e+f+g+h+i", "search"),
        (JOBS, b"kind=a&kind=b", "kind is given twice"),
        (QUEUES, b"state=failed", "state is no parameter"),
        (QUEUES, b"after=%00", "after"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(path: bytes, query: bytes, named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        list_request(path, query)


async def test_answers_have_the_form_of_views_rows() -> None:
    lists: Any = AsyncMock()
    lists.jobs.return_value = JobsPage(rows=[], next="abc")
    lists.queues.return_value = QueuesPage(rows=[QueueShown("media")], next=None)
    rest = {"previous": None, "epoch": "none", "offset": 0}
    found = await list_answer(lists, ListRequest(JobFilter(), None, 7), STAFF)
    assert msgspec.json.decode(found) == {"rows": [], "next": "abc", **rest}
    found = await list_answer(lists, ListRequest(None, None, 7), STAFF)
    assert msgspec.json.decode(found) == {"rows": [{"queue": "media"}], "next": None, **rest}
    lists.jobs.assert_awaited_with(JobFilter(), None, 7, who="ops")


async def test_who_is_no_staff_is_refused_and_so_is_a_cursor_of_another_list() -> None:
    lists: Any = AsyncMock()
    lists.jobs.side_effect = BadCursor
    with pytest.raises(Refused, match="service and admin"):
        await list_answer(lists, ListRequest(JobFilter(), None, 7), Principal(user="ann"))
    with pytest.raises(BadRequest, match="after"):
        await list_answer(lists, ListRequest(JobFilter(), "x", 7), STAFF)
