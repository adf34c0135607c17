"""The operator's own pages: what is served from their folder, and what never is."""

import os
from pathlib import Path

import pytest
from msgspec import structs
from quart import Response
from quart import typing as quart_typing

from greenroom.actors.model.kinds import Kinds
from greenroom.actors.social.feed.actor import Feed
from greenroom.config.settings import OWN_PATHS
from greenroom.transports.pages import Bounds, PagesContext
from greenroom.transports.pages import own_files as module
from greenroom.transports.pages.app import create_pages
from tests.transports.world import no_metrics

SECRET = "not for everybody"


def context(folder: Path | None) -> PagesContext:
    async def ready() -> tuple[bool, dict[str, object]]:
        return True, {}

    return PagesContext(
        env="production",
        version="1",
        kinds=Kinds([]),
        bounds=Bounds(deadline_max_s=60.0, history_max=300),
        health=lambda: {"status": "ok"},
        ready=ready,
        scrape=no_metrics,
        static=folder,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "deep" / ".git").mkdir(parents=True)
    (site / "index.html").write_text("<h1>Mine</h1>")
    (site / "app.mjs").write_text("export {}")
    (site / "unknown.xyz").write_text("?")
    (site / "deep" / "index.html").write_text("deep")
    (site / ".env").write_text(SECRET)
    (site / "deep" / ".git" / "config").write_text(SECRET)
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "site-too").mkdir()
    (tmp_path / "site-too" / "secret.txt").write_text(SECRET)
    return site


@pytest.fixture
def pages(folder: Path) -> quart_typing.TestClientProtocol:
    return create_pages(context(folder)).test_client()


async def test_its_index_is_the_page_at_the_root(pages: quart_typing.TestClientProtocol) -> None:
    response = await pages.get("/?auction=lamp")
    assert (response.status_code, await response.get_data(as_text=True)) == (200, "<h1>Mine</h1>")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Content-Length"] == "13"
    for name in ("Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"):
        assert name in response.headers
    assert (await pages.get("/health")).status_code == 200
    assert (await pages.get("/static/favicon.svg")).status_code == 200


async def test_without_an_index_the_chat_page_stays(folder: Path, pages: quart_typing.TestClientProtocol) -> None:
    (folder / "index.html").unlink()
    assert b"Greenroom" in await (await pages.get("/")).get_data(as_text=False)
    assert (await pages.get("/app.mjs")).status_code == 200


async def test_types_are_told_by_the_suffix_and_what_is_unknown_is_no_page(
    folder: Path, pages: quart_typing.TestClientProtocol
) -> None:
    assert (await pages.get("/app.mjs")).headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert (await pages.get("/unknown.xyz")).headers["Content-Type"] == "application/octet-stream"
    assert (await pages.get("/favicon.ico")).headers["Content-Type"] == "image/svg+xml"
    (folder / "favicon.ico").write_bytes(b"mine")
    assert await (await pages.get("/favicon.ico")).get_data(as_text=False) == b"mine"


async def test_a_file_is_sent_again_only_when_it_has_changed(
    folder: Path, pages: quart_typing.TestClientProtocol
) -> None:
    first = await pages.get("/app.mjs")
    assert first.headers["Cache-Control"] == "no-cache"
    assert first.headers["Last-Modified"].endswith("GMT")
    known = {"If-None-Match": first.headers["ETag"]}
    again = await pages.get("/app.mjs", headers=known)
    assert (again.status_code, await again.get_data(as_text=False)) == (304, b"")
    (folder / "app.mjs").write_text("export { a }")
    changed = await pages.get("/app.mjs", headers=known)
    assert (changed.status_code, await changed.get_data(as_text=True)) == (200, "export { a }")


async def test_a_head_has_the_length_and_no_body(folder: Path) -> None:
    app = create_pages(context(folder))
    async with app.test_request_context("/app.mjs", method="HEAD"):  # the test client counts the length anew
        response = await app.full_dispatch_request()
        assert isinstance(response, Response)
        assert (response.status_code, await response.data) == (200, b"")
    assert response.headers["Content-Length"] == "9"


async def test_a_folder_is_left_by_a_slash_and_its_query_is_kept(pages: quart_typing.TestClientProtocol) -> None:
    response = await pages.get("/deep?a=b")
    assert (response.status_code, response.headers["Location"]) == (308, "./deep/?a=b")
    assert await (await pages.get("/deep/")).get_data(as_text=True) == "deep"
    assert (await pages.get("/app.mjs/")).status_code == 404
    assert (await pages.get("/deep/none/")).status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/deep/../../secret.txt",
        "/../site-too/secret.txt",
        "/..%5csecret.txt",
        "/.env",
        "/%2eenv",
        "/deep/.git/config",
        "/deep/./index.html",
        "/link.txt",
        "/linked/secret.txt",
        "/hidden.txt",
        "/circle",
        "/pipe",
        "/index.html%00.txt",
        "/" + "x" * 300,
    ],
)
async def test_nothing_else_is_served(folder: Path, pages: quart_typing.TestClientProtocol, address: str) -> None:
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "linked").symlink_to(folder.parent / "site-too", target_is_directory=True)
    (folder / "hidden.txt").symlink_to(folder / ".env")
    (folder / "circle").symlink_to(folder / "circle")
    os.mkfifo(folder / "pipe")
    response = await pages.get(address)
    assert response.status_code == 404
    assert SECRET not in await response.get_data(as_text=True)


async def test_a_link_within_the_folder_is_followed(folder: Path, pages: quart_typing.TestClientProtocol) -> None:
    (folder / "latest.mjs").symlink_to("app.mjs")
    assert await (await pages.get("/latest.mjs")).get_data(as_text=True) == "export {}"


@pytest.mark.bound("a file of one's own pages")
async def test_what_is_too_large_is_refused(
    folder: Path, pages: quart_typing.TestClientProtocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FILE_BYTES_MAX", 200_000)
    (folder / "most.txt").write_bytes(b"x" * 200_000)
    (folder / "more.txt").write_bytes(b"x" * 200_001)
    assert len(await (await pages.get("/most.txt")).get_data(as_text=False)) == 200_000
    assert (await pages.get("/more.txt")).status_code == 413


def files_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_no_file_stays_open(pages: quart_typing.TestClientProtocol) -> None:
    etag = (await pages.get("/app.mjs")).headers["ETag"]
    before = files_open()
    for _ in range(20):
        await pages.get("/app.mjs")
        await pages.get("/app.mjs", headers={"If-None-Match": etag})
        await pages.head("/app.mjs")
        await pages.get("/.env")
    assert files_open() <= before


@pytest.mark.parametrize("kinds", [Kinds([]), Kinds([Feed])])
async def test_their_own_social_page_comes_before_ours(folder: Path, kinds: Kinds) -> None:
    pages = create_pages(structs.replace(context(folder), kinds=kinds)).test_client()
    assert ((await pages.get("/social")).status_code == 200) == ("feed" in kinds)
    (folder / "social").mkdir()
    (folder / "social" / "index.html").write_text("theirs")
    response = await pages.get("/social?page=2")
    assert (response.status_code, response.headers["Location"]) == (308, "./social/?page=2")
    assert await (await pages.get("/social/")).get_data(as_text=True) == "theirs"


def test_every_address_of_ours_is_known_to_the_settings() -> None:
    """So that a folder with a file of that name, which nobody could reach, is refused at the start."""
    rules = [rule.rule for rule in create_pages(context(None)).url_map.iter_rules()]
    ours = {rule.split("/")[1] for rule in rules} - {"", "favicon.ico", "social"}  # these the operator may have
    assert ours
    assert ours <= OWN_PATHS
