"""The schema of Greenroom's own entities is the one in schema.lock.json, or a compatible one that was written there."""

import os
from pathlib import Path

import pytest

from greenroom.actors.model.kinds import Kinds
from greenroom.actors.schema.description import Schema, describe, from_text
from greenroom.actors.schema.rules import compare
from greenroom.config.settings import Settings, load_settings
from greenroom.supervisors.cli.chosen.kinds import installed_kinds, installed_views

VIEWS = "conversations,messages,rooms"  # which nobody has who does not ask for them
MEDIA = "file:///media"  # likewise; nothing is opened there
UPDATE = f"GREENROOM_MEDIA={MEDIA} GREENROOM_BUILT_IN_VIEWS={VIEWS} greenroom schema --update"
LOCK = Path(__file__).parents[3] / "schema.lock.json"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    for name in [name for name in os.environ if name.startswith("GREENROOM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GREENROOM_BUILT_IN_VIEWS", VIEWS)
    monkeypatch.setenv("GREENROOM_MEDIA", MEDIA)
    monkeypatch.chdir(tmp_path)  # where no .env is
    return load_settings()


@pytest.fixture
def kinds(settings: Settings) -> Kinds:
    return installed_kinds(settings)


@pytest.fixture
def present(settings: Settings, kinds: Kinds) -> Schema:
    return describe(kinds, installed_views(settings, kinds))


@pytest.fixture
def locked() -> Schema:
    return from_text(LOCK.read_text(encoding="utf-8"))


def test_no_change_breaks_what_is_stored_or_an_older_peer(kinds: Kinds, present: Schema, locked: Schema) -> None:
    broken = compare(locked, present, kinds).broken
    if broken:
        pytest.fail(
            "Since schema.lock.json, changes break what is stored or an older peer (docs/guides/schema-evolution.md):\n"
            + "\n".join(map(str, broken))
            + f"\nIf nothing of this was ever released: {UPDATE} --force",
            pytrace=False,
        )


def test_the_lock_is_up_to_date(kinds: Kinds, present: Schema, locked: Schema) -> None:
    comparison = compare(locked, present, kinds)
    if not comparison.broken and comparison.following != locked:
        pytest.fail(f"The schema has changed compatibly. Write the lock anew: {UPDATE}", pytrace=False)
