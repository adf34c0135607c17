"""docs/reference/ is what the code prints."""

import pytest

from greenroom.config.limits import KIB
from greenroom.config.reference.log_lines import lines_of
from greenroom.config.reference.pages import FOLDER, PAGES, ROOT
from greenroom.config.settings import Settings, settings_table
from greenroom.config.telemetry.log_events import MEANINGS


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_code_prints(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "run: python -m greenroom.config.reference"


def test_every_event_has_its_sentence_and_every_sentence_its_event() -> None:
    events = lines_of(ROOT)
    assert len(events) > 50
    assert sorted(events.keys() - MEANINGS.keys()) == [], "say in config/telemetry/log_events.py what these mean"
    assert sorted(MEANINGS.keys() - events.keys()) == [], "nothing logs these any more"


def test_the_settings_table_has_every_setting_once_and_says_what_it_is() -> None:
    table = settings_table()
    assert sorted(name for name, *_ in table) == sorted(f"GREENROOM_{field.upper()}" for field in Settings.model_fields)
    for name, _default, allowed, meaning in table:
        assert allowed and meaning, name
    assert ("GREENROOM_GATE_HEAD_BYTES_MAX", "49152", f"a whole number from {KIB} to {KIB * KIB}") in [
        row[:3] for row in table
    ]


def test_the_readmes_short_table_agrees_with_the_settings() -> None:
    rows = {name: default for name, default, _, _ in settings_table()}
    readme = (ROOT / "README.md").read_text()
    table = [line.split("|")[1:3] for line in readme.splitlines() if line.startswith("| `GREENROOM_")]
    said = [pair for names, defaults in table for pair in zip(names.split(","), defaults.split(","), strict=False)]
    assert len(said) > 5
    for name, default in said:
        assert default.strip(" `") == (rows[name.strip(" `")] or "unset"), name
