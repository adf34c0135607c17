"""The page on changing messages and events explains every rule, and no other."""

import re
from pathlib import Path

from greenroom.actors.schema.rules import RULES

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "schema-evolution.md"


def test_the_table_has_every_rule() -> None:
    table = re.search(r"^## The rules\n(.*?)^[A-Z]", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert table is not None
    names = [name for line in table[1].splitlines() for name in re.findall(r"`([a-z]+(?:-[a-z]+)+)`", line)]
    assert sorted(names) == sorted(RULES)
