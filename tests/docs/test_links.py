"""What the documents point to is there: links, their anchors, and every path of this repository that they name."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.test_layers import FLOORS

ROOT = Path(__file__).parents[2]
PACKAGES = ("actors", "bench", "config", "store", "supervisors", "transports")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "actors").rglob("*.md")])
DECISIONS = ROOT / "docs" / "inside" / "decisions"
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
TICKED = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"\.?[A-Za-z][\w.-]*(/[\w.-]+)+/?")
IN_CODE = re.compile(r"\bdocs/[\w/-]+\.md\b")


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


def missing_paths(text: str) -> Iterator[str]:
    """What stands in backticks, begins with a name that our top folder has, and is not there."""
    top = {path.name for path in ROOT.iterdir()}
    for name in TICKED.findall(text):
        if PATH.fullmatch(name) and name.partition("/")[0] in top and not (ROOT / name).exists():
            yield name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_named_is_there(page: Path) -> None:
    assert list(missing_paths(prose(page))) == []


def test_every_page_is_in_the_index() -> None:
    index = prose(ROOT / "docs" / "README.md")
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").as_posix()
        assert name == "README.md" or page.parent == DECISIONS or f"({name})" in index, name


def test_every_decision_is_in_their_index_and_says_all_that_a_decision_says() -> None:
    index = prose(DECISIONS / "README.md")
    pages = sorted(DECISIONS.glob("[0-9]*.md"))
    numbers = [page.name[:4] for page in pages]
    assert numbers == [f"{number:04}" for number in range(1, len(pages) + 1)], "two have one number, or one is missing"
    for page in pages:
        assert f"[{int(page.name[:4])}]({page.name})" in index, page.name
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {page.name[:4]}: "), page.name
        missing = [part for part in ("**What.**", "**Why", "**What it costs.**", "**Measured.**") if part not in text]
        assert not missing, f"{page.name} does not say {missing}"


@pytest.mark.parametrize("package", FLOORS)
def test_the_architecture_has_every_room_from_the_ground_up(package: str) -> None:
    text = prose(ROOT / "docs" / "inside" / "architecture.md")
    rows = [line for line in text.splitlines() if line.startswith(f"| `{package}/")]
    told = [folder for row in rows for folder in re.findall(rf"`{package}/(\w+)/`", row.split("|")[1])]
    assert told == [room for room in FLOORS[package] if (ROOT / package / room).is_dir()]


def test_the_pages_that_code_refers_to_are_there() -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for name in IN_CODE.findall(path.read_text(encoding="utf-8")):
                assert (ROOT / name).exists(), f"{path.relative_to(ROOT)} refers to {name}"


def test_what_is_broken_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading\n[a](nothing.md) [b](#a-heading) [c](#none) [d](https://example.org)\n", encoding="utf-8"
    )
    assert list(broken_links(page)) == ["nothing.md", "#none"]
    assert list(missing_paths("`store/nothing.py` `store/journal/journal.py` `poll/lunch` `text/event-stream`")) == [
        "store/nothing.py"
    ]
