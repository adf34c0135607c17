"""What an entity refuses with, read off its source."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenroom.actors.chat.room import Room
from greenroom.actors.model.actor import Actor
from greenroom.actors.schema.refusals import refusals_of

ENTITY = """
from msgspec import Struct
from greenroom import Actor, Event, Refused
from refused_rules import check

MOST = 1_000

class Happened(Event, tag="strict.happened"):
    pass

class State(Struct):
    pass

class Strict(Actor[State]):
    kind = "strict"
    events = (Happened,)

    def handle(self, message):
        user = self.require_user()
        raise Refused("strict.full", f"it takes {MOST}, {user}", status=409)
        raise Refused("strict.full", detail="no more", status=409)
        raise Refused("strict.full", "no more", status=409)
        raise Refused("strict.never")
        raise Refused(name_worked_out())
"""
RULES = """
from greenroom import Refused

def check():
    raise Refused("strict.rule", "of another file", status=404)
"""


@pytest.fixture
def strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Actor[object]]]:
    (tmp_path / "refused_entity.py").write_text(ENTITY)
    (tmp_path / "refused_rules.py").write_text(RULES)
    (tmp_path / "refused_unrelated.py").write_text(RULES.replace("strict.rule", "strict.not_mine"))
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("refused_unrelated")
    yield importlib.import_module("refused_entity").Strict
    for name in ("refused_entity", "refused_rules", "refused_unrelated"):
        del sys.modules[name]


def test_each_rule_once_with_all_that_is_said(strict: type[Actor[object]]) -> None:
    assert refusals_of(strict) == [
        ("unauthenticated", 401, ("this command needs a user",)),
        ("strict.never", 403, ()),
        ("strict.rule", 404, ("of another file",)),
        ("strict.full", 409, ("it takes 1,000, …", "no more")),
    ]


def test_those_of_the_room_are_found() -> None:
    found = {one.name: one.status for one in refusals_of(Room)}
    assert found["room.slow_mode"] == 429 and found["room.muted"] == 403 and found["unauthenticated"] == 401
    assert all(name.startswith("room.") or name == "unauthenticated" for name in found)
