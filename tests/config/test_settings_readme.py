"""docs/reference/settings.md is printed from the code, and the README leads there."""

from pathlib import Path

from greenroom.config.limits import KIB
from greenroom.config.settings import Settings, settings_page, settings_table

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_code_prints() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    assert page == settings_page(), "run: python -m greenroom.config.settings > docs/reference/settings.md"


def test_the_table_has_every_setting_once_and_says_what_it_is() -> None:
    table = settings_table()
    assert sorted(name for name, *_ in table) == sorted(f"GREENROOM_{field.upper()}" for field in Settings.model_fields)
    for name, _default, allowed, meaning in table:
        assert allowed and meaning, name
    assert ("GREENROOM_GATE_HEAD_BYTES_MAX", "16384", f"a whole number from {KIB} to {KIB * KIB}") in [
        row[:3] for row in table
    ]
