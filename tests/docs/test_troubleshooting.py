"""What the page on troubleshooting quotes is what the code says: error texts and log events."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "run" / "troubleshooting.md"
PACKAGES = ("actors", "config", "store", "supervisors", "transports")
# A text with its gaps: what the code fills in stands as `…`, as a number, as a name of ours or as a port.
GAP = re.compile(r"…|; |[\d.:]*\d+[\d.:]*|GREENROOM_[A-Z_]+(?:=\w+)?|'|`|\bapplause\b|: must be a whole number.*")
CHECKED_SECTIONS = ("It does not start", "Tokens", "A test of yours fails")
WORDS_MIN = 2  # of a quotation that is looked for as a text; one word is a name


def strings() -> Iterator[str]:
    """Every string of the code, joined as the parser joins them; an f-string in pieces."""
    for package in (*PACKAGES, "tests/actors/schema"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield re.sub(r"['`]", "", node.value)


@pytest.fixture(scope="module")
def said() -> str:
    return "\0".join(strings())


def quoted_texts(page: str) -> list[str]:
    sections = re.split(r"^## ", page, flags=re.MULTILINE)
    checked = "\n".join(section for section in sections if section.startswith(CHECKED_SECTIONS))
    quoted = [text for line in checked.splitlines() for text in re.findall(r"(?<!`)`([^`]+)`(?!`)", line)]
    return [text for text in quoted if len(text.split()) > WORDS_MIN and not text.startswith(("greenroom ", "openssl"))]


def fragments(text: str) -> list[str]:
    return [piece for piece in (part.strip(" :;,()") for part in GAP.split(text)) if len(piece.split()) >= WORDS_MIN]


def test_each_text_is_said_by_the_code(said: str) -> None:
    texts = quoted_texts(PAGE.read_text(encoding="utf-8"))
    assert len(texts) > 20
    for text in texts:
        for fragment in fragments(text):
            assert fragment in said, f"{text!r}: the code does not say {fragment!r}"


def test_each_event_is_logged_by_the_code(said: str) -> None:
    names = {
        name
        for name in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", PAGE.read_text(encoding="utf-8"))
        if not name.startswith(("greenroom_", "proxy_", "client_max"))
    }
    assert len(names) > 30
    known = {*said.split("\0"), *re.findall(r"^    (\w+): ", source(), re.MULTILINE)}  # the latter: fields of structs
    code = source()
    assert {name for name in names if name not in known and f"def {name}" not in code} == set()


def source() -> str:
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)
