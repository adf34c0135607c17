"""What the served OpenAPI document promises, tried by schemathesis: what fits is taken, what does not is refused.

Bounded: so many examples of each operation, the same ones in each process that has imported the same modules: it is
from these that Hypothesis takes constants, so another part of the suite meets others. What is found and stays stands in
`excepted`, with the reason.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup

from greenroom.supervisors.cli.chosen.kinds import built_in_kinds
from greenroom.transports.pages import Bounds
from greenroom.transports.pages.openapi import openapi
from tests.e2e.conftest import CHAT_VIEWS
from tests.e2e.server import Server

EXAMPLES = 8  # of each operation that fit, and as many that don't
DOCUMENT: Any = openapi(built_in_kinds(), Bounds(deadline_max_s=60.0, history_max=300), version="0", admin=True)
NEVER_ENDS = ("/events", "/admin/live")  # nothing that waits for an answer's end can ask for them: others do
OPERATIONS = [
    f"{method} {path}"
    for path, item in DOCUMENT["paths"].items()
    for method in item
    if method != "parameters" and path not in NEVER_ENDS
]
TAKING_NOTHING = (
    "get /health",
    "get /ready",
    "get /metrics",
    "get /admin/api/me",
    "get /admin/api/cluster",
    "get /admin/api/views",
    "get /admin/api/queues",
)  # so nothing that they are given can be wrong


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server(GREENROOM_BUILT_IN_VIEWS="none")  # of those: test_rows_of_views
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def document(server: Server) -> Any:
    answer = server.request("GET", "/docs/openapi.json")
    assert answer.body["paths"] == DOCUMENT["paths"]
    return schemathesis.openapi.from_dict(answer.body)


@pytest.mark.parametrize("asked", OPERATIONS)
def test_what_fits_is_taken(server: Server, document: Any, asked: str) -> None:
    assert complaints(server, document, asked, GenerationMode.POSITIVE) == []


@pytest.mark.parametrize("asked", [one for one in OPERATIONS if one not in TAKING_NOTHING])
def test_what_does_not_fit_is_refused(server: Server, document: Any, asked: str) -> None:
    assert complaints(server, document, asked, GenerationMode.NEGATIVE) == []


# What is of answers, no generator makes: cursors, and how far an entity is.
OF_ANSWERS = ("after", "before", "at")


def test_rows_of_views() -> None:
    with_views = Server(GREENROOM_BUILT_IN_VIEWS=CHAT_VIEWS)
    try:
        with_views.start()
        whole = with_views.request("GET", "/docs/openapi.json").body
        paths = {path: item for path, item in whole["paths"].items() if path not in DOCUMENT["paths"]}
        assert len(paths) >= 4
        for item in paths.values():
            taken = item["get"]["parameters"]
            assert {one["name"] for one in taken} >= set(OF_ANSWERS)
            item["get"]["parameters"] = [one for one in taken if one["name"] not in OF_ANSWERS]
        document = schemathesis.openapi.from_dict(whole | {"paths": paths})
        for path in paths:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                assert complaints(with_views, document, f"get {path}", mode) == [], path
    finally:
        with_views.remove()


def complaints(
    server: Server, document: Any, asked: str, mode: GenerationMode, *, examples: int = EXAMPLES
) -> list[str]:
    method, path = asked.split(" ")
    found: list[str] = []

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],  # what is found is told as it was found: making it smaller would take minutes
        suppress_health_check=list(HealthCheck),
    )
    @given(case=document[path][method].as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        response = case.call(base_url=server.url, headers={"X-Greenroom-User": "ann"}, timeout=15)
        try:
            case.validate_response(response)
        except FailureGroup as group:
            if not excepted(case, response):
                said = [str(one) for one in group.exceptions]
                found.append("\n".join([case.as_curl_command(), response.text, *said]))

    ask()
    return found


OF_FLOWS = (
    "queue.flow_names",
    "queue.unique_in_flow",
    "queue.unknown_job",
    "queue.cycle",
    "queue.two_parents",
    "queue.no_such_queue",
    "job.waits_for_nothing",
)
OF_TIME = ("queue.until_is_past",)


def excepted(case: Any, response: Any) -> bool:
    """Schemathesis is right by the letter, and so are we."""
    if response.status_code == 504:  # the deadline that it asked for itself has passed: 7e-48 seconds, say
        return "X-Request-Timeout" in case.headers
    if response.status_code == 400:  # a key is bounded in bytes, and JSON Schema counts characters, NUL among them
        message = str(response.json()["error"]["message"])
        if "is no cursor of this list" in message:  # what an answer has said before, no generator makes
            return True
        return message.endswith("the key is longer than 255 bytes") or "holds a NUL character" in message
    if response.status_code in (412, 413) and case.path.startswith("/media"):  # as tus has them
        return True
    if response.status_code == 413:  # longer than a body may be, whatever else is wrong with it: it is not read
        return str(response.json()["error"]["message"]).startswith("body over ")
    if response.status_code == 422 and "`ttl_s` must be above 0 for" in response.text:
        return True  # no schema of a field says what another one must be then
    if response.status_code == 422 and "Expected `int | null`, got `float`" in response.text:
        return True  # to JSON Schema 4.0 is an integer
    if response.status_code == 422 and response.json()["error"]["name"] in OF_FLOWS:
        return True  # nor what jobs of a flow say of one another
    if response.status_code == 422 and response.json()["error"]["name"] in OF_TIME:
        return True  # nor what time it is
    if response.status_code == 422:  # nor does it know what no user can be called
        return set(response.json()["error"].get("fields", ())) == {"user"} and bool(case.body.get("user"))
    return False
