"""Pages that are printed from the code are as the code prints them."""

from pathlib import Path

from greenroom.actors.schema.page import entities_page
from greenroom.supervisors.cli.chosen.kinds import built_in_kinds
from tests.faults.process.command_line import CommandLine

ROOT = Path(__file__).parents[2]
ENTITIES = ROOT / "docs" / "reference" / "entities.md"


def test_the_page_of_our_entities_is_what_the_code_says() -> None:
    page = ENTITIES.read_text(encoding="utf-8")
    assert page == entities_page(built_in_kinds()), "run: greenroom entities --markdown > docs/reference/entities.md"


def test_the_command_prints_that_page() -> None:
    with CommandLine() as command_line:
        ran = command_line.run(["entities", "--markdown"])
    assert (ran.status, ran.err, ran.out) == (0, "", ENTITIES.read_text(encoding="utf-8"))
