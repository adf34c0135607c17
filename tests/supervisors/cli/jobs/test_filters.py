"""Options of commands as filters of the API."""

import pytest

from greenroom.supervisors.cli.jobs.filters import filter_of, in_query
from greenroom.supervisors.cli.terminal.plainly import Trouble


def test_what_is_not_given_is_not_asked() -> None:
    assert filter_of() == {}
    found = filter_of(states=["failed,waiting", "active"], kind="job.x", key="", search="a b", until="1970-01-02")
    assert found == {
        "state": ["failed", "waiting", "active"],
        "kind": "job.x",
        "key": "",
        "search": "a b",
        "added_until_ms": 86_400_000,
    }
    assert in_query(found)["state"] == "failed,waiting,active" and in_query(found)["key"] == ""


def test_what_is_wrong_is_refused_by_its_option() -> None:
    with pytest.raises(Trouble, match="--state 'done'"):
        filter_of(states=["done"])
    with pytest.raises(Trouble, match="ID '7'"):
        filter_of(ids=["7"])
    with pytest.raises(Trouble, match="--ended-since"):
        filter_of(ended_since="soon")
