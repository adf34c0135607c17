"""`greenroom schema`: the lock file written, held against a later release, and what is stored tried."""

import asyncio
import json
import textwrap
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.faults.process.command_line import CommandLine, Ran

SETTINGS = {"GREENROOM_ENTITIES": "lamp"}


class Checkout:
    """Where somebody develops the entity `lamp`."""

    def __init__(self, folder: Path, command_line: CommandLine) -> None:
        self.folder = folder
        self._command_line = command_line

    def write(self, fields: str, more: str = "") -> None:
        module = f"""
            from msgspec import Struct
            from greenroom import Actor, Event

            class Lit(Event, tag="lamp.lit"):
                {fields}

            class State(Struct):
                pass

            class Lamp(Actor[State]):
                kind = "lamp"
                events = (Lit,)
                {more}

                def apply(self, event: Lit) -> None:
                    pass
        """
        (self.folder / "lamp.py").write_text(textwrap.dedent(module), encoding="utf-8")

    def schema(self, *arguments: str, **settings: str) -> Ran:
        return self._command_line.run(["schema", *arguments], SETTINGS | settings, folder=self.folder)


@pytest.fixture
def checkout(command_line: CommandLine, tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path, command_line)
    made.write("watts: int")
    return made


def test_it_is_printed_with_the_entities_of_one_s_own(checkout: Checkout) -> None:
    shown = checkout.schema()
    assert shown.status == 0 and shown.err == ""
    kinds = json.loads(shown.out)["kinds"]
    assert set(kinds) >= {"actor", "lamp", "room", "session"}
    assert kinds["lamp"]["events"] == {"lamp.lit": {"fields": {"watts": {"type": "int"}}}}


def test_a_lock_file_from_its_first_day_to_an_upcaster(checkout: Checkout) -> None:
    lock = checkout.folder / "schema.lock.json"
    none = checkout.schema("--check")
    assert none.status == 1 and "--update" in none.err
    assert checkout.schema("--update").out == "wrote schema.lock.json\n"
    assert checkout.schema("--check").out == "up to date\n"
    assert checkout.schema("--update").out == "already up to date\n"

    checkout.write("watts: int | None")
    old = checkout.schema("--check")
    assert old.status == 1 and "greenroom schema --update" in old.err and "nothing is broken" in old.err
    assert checkout.schema("--update").status == 0 and checkout.schema("--check").status == 0

    checkout.write("lumen: int")
    before = lock.read_text()
    for option in ("--check", "--update"):
        broken = checkout.schema(option)
        assert broken.status == 1 and "Traceback" not in broken.err
        for word in ("lamp: event lamp.lit, field lumen", "field-added-without-default", "field watts: field-removed"):
            assert word in broken.err
    assert lock.read_text() == before

    upcaster = 'upcasters = {"lamp.lit": lambda old: old if "lumen" in old else {"type": "lamp.lit", "lumen": 800}}'
    checkout.write("lumen: int", upcaster)
    assert checkout.schema("--update").status == 0
    assert json.loads(lock.read_text())["kinds"]["lamp"]["past"]["lamp.lit"]
    checkout.write("lumen: int")
    careless = checkout.schema("--check")
    assert careless.status == 1 and "upcaster-removed" in careless.err
    assert checkout.schema("--update", "--force").status == 0
    assert checkout.schema("--check").status == 0


def test_another_lock_file_may_be_named(checkout: Checkout) -> None:
    assert checkout.schema("--update", "--lock", "other.json").status == 0
    assert checkout.schema("--check", "--lock", "other.json").status == 0
    (checkout.folder / "other.json").write_text("{")
    bad = checkout.schema("--check", "--lock", "other.json")
    assert bad.status == 1 and "other.json" in bad.err and "Traceback" not in bad.err


@pytest.mark.parametrize("arguments", [("--check", "--update"), ("--check", "--stored"), ("--force",)])
def test_bad_usage(checkout: Checkout, arguments: tuple[str, ...]) -> None:
    assert checkout.schema(*arguments).status == 2


def test_what_is_stored_is_tried(checkout: Checkout, database_url: str) -> None:
    async def store() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute(
                "INSERT INTO heads (entity, fence, incarnation, \"offset\", epoch) VALUES ('lamp:desk', 1, 1, 3, 'e')"
            )
            payloads: list[dict[str, Any]] = [{"watts": 40}, {"watts": 60}, {"watts": None}]
            await connection.executemany(
                'INSERT INTO journal (id, "offset", fence, at_ms, payload) SELECT id, $1, 1, 0, $2 FROM heads',
                [(at, json.dumps({"type": "lamp.lit"} | one).encode()) for at, one in enumerate(payloads, 1)],
            )
        finally:
            await connection.close()

    asyncio.run(store())
    found = checkout.schema("--stored", GREENROOM_DATABASE_URL=database_url)
    assert found.status == 1 and "Traceback" not in found.err
    assert "3 events, 100% of the journal" in found.out
    assert "event of lamp:desk at 3" in found.out and "$.watts" in found.out
    checkout.write("watts: int | None")
    found = checkout.schema("--stored", GREENROOM_DATABASE_URL=database_url)
    assert found.status == 0 and found.err == ""
    assert "lamp.lit" in found.out
