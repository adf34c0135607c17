"""The code in the docs runs: each page's named blocks become files in a folder, and their tests pass there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenroom.actors.model.kinds import Kind, find_actors
from tests.starting.page_tests import PageTests

ROOT = Path(__file__).parents[2]
NAMED_BLOCK = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BEFORE = {"views.md": "README.md", "sinks.md": "README.md"}
AUCTION = ["wallet.py", "deal.py", "auction.py", "settlement.py"]
AUCTION_PAGE = ["page/index.html", "page/auction.css", "page/auction.js"]


def write_blocks(page: str, folder: Path) -> list[str]:
    """The names of the files that the page's blocks were written to; those of the page that it goes on from are too."""
    for name, code in NAMED_BLOCK.findall((ROOT / BEFORE[page]).read_text(encoding="utf-8")) if page in BEFORE else ():
        (folder / name).write_text(code, encoding="utf-8")
    blocks = NAMED_BLOCK.findall((ROOT / "docs" / "guides" / page).read_text(encoding="utf-8"))
    for name, code in blocks:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(code, encoding="utf-8")
    return [name for name, _ in blocks]


@pytest.fixture(scope="module")
def page_tests() -> Iterator[PageTests]:
    with PageTests() as page_tests:
        yield page_tests


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("writing-an-entity.md", ["poll.py", "test_poll.py"]),
        ("testing-entities.md", ["test_lobby.py"]),
        ("schema-evolution.md", ["thermometer.py", "test_thermometer.py"]),
        ("sagas.md", ["shop.py", "checkout.py", "test_checkout.py", "delivery.py", "test_delivery.py"]),
        ("views.md", ["standings.py", "test_standings.py"]),
        ("notifications.md", ["bell.py", "test_bell.py"]),
        ("sinks.md", ["warehouse.py", "test_warehouse.py", "stream.py"]),
        ("ranking.md", ["autumn.json", "test_autumn.py"]),
        ("auction.md", [*AUCTION, "test_auction.py", "test_auction_world.py", *AUCTION_PAGE]),
        ("jobs/retries.md", ["charge.py", "test_charge.py"]),
        ("jobs/testing.md", ["films.py", "test_films.py"]),
        ("jobs/moving-from-celery.md", ["invoices.py", "test_invoices.py"]),
    ],
)
def test_the_tests_on_a_page_pass(page: str, names: list[str], tmp_path: Path, page_tests: PageTests) -> None:
    assert write_blocks(page, tmp_path) == names
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    run = page_tests.run(tmp_path)
    assert run.status == 0, run.out
    assert re.search(r"\d+ passed|^\.+ ", run.out), run.out


def test_the_entity_is_found_as_greenroom_entities_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_blocks("writing-an-entity.md", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        for path in ("poll:Poll", "poll"):
            kinds = [Kind(actor) for actor in find_actors(path)]
            assert [(kind.name, list(kind.commands)) for kind in kinds] == [("poll", ["open", "vote", "close"])]
    finally:
        sys.modules.pop("poll", None)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("writing-an-entity.md", ["poll.py"]),
        ("sagas.md", ["shop.py", "checkout.py", "delivery.py"]),
        ("views.md", ["standings.py"]),
        ("auction.md", [*AUCTION, "test_auction.py", "test_auction_world.py"]),
    ],
)
def test_the_entity_passes_the_type_checker(page: str, names: list[str], tmp_path: Path, mypy_cache: Path) -> None:
    """What we hold our own code to, our example keeps: a reader copies it."""
    write_blocks(page, tmp_path)
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *names, "--cache-dir", str(mypy_cache)],
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": str(ROOT / ".venv" / "typed")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
