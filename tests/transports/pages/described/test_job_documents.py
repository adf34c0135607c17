"""The lists of jobs in the OpenAPI document: each filter that there is, as it is written in a query."""

import re
from typing import Any

from greenroom.actors.jobs.listing.where import Where
from greenroom.store.jobs.filter import STATES
from greenroom.transports.pages.described.job_documents import list_paths


def test_every_filter_is_described() -> None:
    paths: Any = list_paths({"name": "X-Request-Timeout"})
    parameters = {one["name"]: one.get("schema") for one in paths["/api/jobs"]["get"]["parameters"]}
    assert parameters.keys() == {"limit", "after", "queue", "X-Request-Timeout", *Where.__struct_fields__}
    for text in (*STATES, "failed,waiting"):
        assert re.search(parameters["state"]["pattern"], text)
    assert not re.search(parameters["state"]["pattern"], "done")
    assert re.search(parameters["id"]["pattern"], "a" * 32) and not re.search(parameters["id"]["pattern"], "a")
    assert parameters["kind"]["maxLength"] == 255 and parameters["key"]["type"] == "string"
    assert parameters["added_since_ms"] == {"type": "integer", "minimum": 0, "maximum": 1 << 53}
    assert [one["name"] for one in paths["/api/queues"]["get"]["parameters"]][:2] == ["limit", "after"]
