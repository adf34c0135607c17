"""Characters that Postgres can't store, in every text of every command of a queue and of a job, on a real server."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from greenroom.actors.jobs.queue import Queue
from greenroom.actors.jobs.single import SingleJob
from greenroom.actors.model.kinds import Kinds
from tests.e2e.server import Server

JOBS = """
from greenroom import Job

class Cut(Job, queue="media", tag="job.cut"):
    video: str
    partition = "video"
    async def run(self, work):
        return None
"""
NEW: dict[str, Any] = {
    "job": "job.x",
    "arguments": {"text": "x"},
    "partition": "p",
    "unique": {"key": "k"},
    "by": "ann",
}
LIMITS: dict[str, Any] = {"tiers": {"a": 1}, "weights": {"a": 1}}
SAID = {"id": "ID", "note": "n", "lines": ["l"]}
ENDED = {"id": "ID", "token": 0, "result": "r", "error": "e", "trace": "t", "refund": True, "pause_reason": "p"}
HELD: dict[str, Any] = {"worker": "w", "id": "ID", "token": 0}
# By entity and command: with every text that it may bear. "ID" and the token 0 are a job's that the worker has.
FIELDS: dict[str, dict[str, dict[str, Any]]] = {
    "queue": {
        "add": NEW,
        "add_many": {"jobs": [NEW]},
        "take": {
            "worker": "w",
            "most": 0,
            "knows": ["job.x"],
            "said": [SAID],
            "process": "host/1",
            "finished": [ENDED],
        },
        "beat": {"worker": "w", "tokens": [0]},
        "complete": {**HELD, "result": "r"},
        "fail": {**HELD, "error": "e", "retry_s": 0.0},
        "leave": {"worker": "w"},
        "progress": {"worker": "w", "said": [SAID]},
        "step_done": {**HELD, "name": "s", "result": "r"},
        "steps": HELD,
        "cancel": {"id": "ID", "reason": "r"},
        "retry": {"id": "ID"},
        "edit": {"id": "ID", "arguments": {"text": "x"}},
        "pause": {"reason": "r"},
        "resume": {},
        "limit": LIMITS,
        "why": {"id": "ID"},
        "add_flow": {"jobs": [{**NEW, "name": "n", "queue": "", "after": [{"id": "ID"}], "children": [{"id": "ID"}]}]},
        "children": HELD,
        "spawn": {**HELD, "group": "g", "jobs": [{**NEW, "queue": "", "on_failure": "fail"}]},
        "bulk": {
            "act": "cancel",
            "where": {"kind": "job.x", "key": "p", "search": "x", "id": ["ID"]},
            "reason": "r",
            "dry_run": True,
        },
    },
    "job": {"cancel": {"reason": "r"}, "retry": {}, "edit": {"arguments": {"text": "x"}}, "errors": {}},
}
STORED_AS_TEXT = {  # of these none may get through
    "job", "partition", "key", "worker", "process", "id", "name", "reason",
}  # fmt: skip
CONTROL = ["\0", "\x1b"]


def test_every_command_is_tried() -> None:
    for kind in (Queue, SingleJob):
        assert FIELDS[kind.kind].keys() == Kinds((kind,))[kind.kind].commands.keys()


def spoilt(body: Any, control: str, at: str = "") -> Iterator[tuple[str, Any]]:
    """With that character in one text each, or in the name of a field that is none of ours."""
    for name in body if isinstance(body, dict) else range(len(body)):
        value = body[name]
        if isinstance(value, str):
            yield str(name), {**body, name: value + control} if isinstance(body, dict) else [value + control]
        elif isinstance(value, (dict, list)):
            for where, inner in spoilt(value, control):
                yield where, {**body, name: inner} if isinstance(body, dict) else [inner]
        if at in ("tiers", "weights"):
            yield at, {f"{name}{control}": value}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("texts")
    (folder / "cuts.py").write_text(JOBS, encoding="utf-8")
    one = Server(cwd=folder, GREENROOM_ENTITIES="cuts")
    one.start()
    yield one
    one.remove()


class Held:
    """A job that a worker has, in a queue of its own."""

    def __init__(self, server: Server, queue: str) -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {server.token('svc', roles=['service'])}"}
        self.queue = queue
        self.id = self.must("queue", "add", {"job": "job.x"})["id"]
        self.token = self.must("queue", "take", {"worker": "w"})["token"]

    def must(self, kind: str, name: str, body: Any) -> Any:
        answer = self.said(kind, name, body)
        assert answer.status == 200, (kind, name, body, answer)
        return answer.body

    def said(self, kind: str, name: str, body: Any) -> Any:
        key = self.queue if kind == "queue" else self.id
        return self._server.request("POST", f"/api/{kind}/{key}/{name}", body, user=None, headers=self._headers)

    def filled(self, body: Any) -> Any:
        text = json.dumps(body).replace('"ID', f'"{self.id}').replace('"token": 0', f'"token": {self.token}')
        return json.loads(text.replace("[0]", f"[{self.token}]"))


@pytest.mark.parametrize("control", CONTROL, ids=repr)
@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in FIELDS.items() for name in names])
def test_what_can_not_be_stored_is_refused_or_stored_otherwise(
    server: Server, kind: str, name: str, control: str
) -> None:
    queue = f"{kind}-{name}-{ord(control)}"
    held = Held(server, queue)
    for where, body in spoilt(copy.deepcopy(FIELDS[kind][name]), control):
        answer = held.said(kind, name, held.filled(body))
        if where in STORED_AS_TEXT:
            assert answer.status == 422, (where, answer)
        else:
            assert answer.status < 500, (where, answer)
    held.must("queue", "pause", {})
    held.must("queue", "add", {"job": "job.x"})


@pytest.mark.parametrize("control", CONTROL, ids=repr)
def test_a_key_that_is_made_of_an_argument_is_refused_by_name(server: Server, control: str) -> None:
    held = Held(server, "media")
    answer = held.said("queue", "add", {"job": "job.cut", "arguments": {"video": f"a{control}"}})
    assert answer.status == 422 and "`video`" in answer.body["error"]["message"]
    held.must("queue", "add", {"job": "job.cut", "arguments": {"video": "a"}})
