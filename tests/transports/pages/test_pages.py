"""The pages as a browser, a scraper and a stranger meet them."""

import json
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from quart import typing as quart_typing
from werkzeug.datastructures import Headers

import greenroom.transports.pages
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.social.feed.actor import Feed
from greenroom.transports.auth.details import staff_only
from greenroom.transports.auth.sign_outs import SessionChecks, SignedIn
from greenroom.transports.auth.tokens import TokenConfig, TokenVerifier
from greenroom.transports.pages import Bounds, PagesContext
from greenroom.transports.pages.app import create_pages
from tests.transports.hub.auction import Auction
from tests.transports.pages.counter import Counter, resolve
from tests.transports.world import SECRET, no_metrics, token

STATIC = Path(greenroom.transports.pages.__file__).parent / "static"


def client(*, able: bool = True, env: str = "local", kinds: Kinds | None = None) -> quart_typing.TestClientProtocol:
    async def ready() -> tuple[bool, Mapping[str, Any]]:
        return able, {"store": "ok" if able else "down"}

    async def scrape() -> bytes:
        return b"# TYPE x counter\nx 1\n"

    context = PagesContext(
        env=env,
        version="1.2.3",
        kinds=Kinds([Counter]) if kinds is None else kinds,
        bounds=Bounds(deadline_max_s=60.0, history_max=300),
        health=lambda: {"status": "ok"},
        ready=ready,
        scrape=scrape,
    )
    return create_pages(context).test_client()


async def test_the_chat_page_asks_for_nothing_from_elsewhere_and_every_file_it_names_exists() -> None:
    pages = client()
    response = await pages.get("/")
    html = await response.get_data(as_text=True)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert 'data-env="local"' in html
    named = re.findall(r'(?:src|href)="([^"#]+)"', html)
    assert named
    for address in named:
        assert not address.startswith("/"), f"{address}: a proxy may serve the page below another path than /"
        assert (await pages.get(f"/{address}")).status_code == 200, address
    assert "<script>" not in html
    assert not re.search(r"\son\w+=|\sstyle=", html)  # the content security policy would block them


async def test_every_module_imports_only_files_that_are_served() -> None:
    pages = client()
    for path in STATIC.rglob("*.js"):
        folder = path.parent.relative_to(STATIC)
        for name in re.findall(r'from "(.+?)"', path.read_text()):
            address = posixpath.normpath(f"/static/{folder}/{name}")
            assert (await pages.get(address)).status_code == 200, (path.name, name)


async def test_no_module_makes_markup_from_text() -> None:
    for path in STATIC.rglob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", path.read_text()), path


async def test_every_id_that_the_page_looks_up_is_in_the_page() -> None:
    html = await (await client().get("/")).get_data(as_text=True)
    wanted = set(re.findall(r'\$\("([\w-]+)"\)', (STATIC / "chat.js").read_text()))
    assert wanted
    assert wanted <= set(re.findall(r'id="([\w-]+)"', html))


FEEDS = Kinds([Feed])


async def test_the_page_of_posts_asks_for_nothing_from_elsewhere_and_every_file_it_names_exists() -> None:
    pages = client(kinds=FEEDS)
    response = await pages.get("/social")
    html = await response.get_data(as_text=True)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert 'data-env="local"' in html and "data-media" not in html
    named = re.findall(r'(?:src|href)="([^"#]+)"', html)
    assert named
    for address in named:
        assert not address.startswith("/"), f"{address}: a proxy may serve the page below another path than /"
        assert (await pages.get(f"/{address}")).status_code == 200, address
    assert "<script>" not in html and not re.search(r"\son\w+=|\sstyle=", html)
    wanted = set(re.findall(r'\$\("([\w-]+)"\)', (STATIC / "social" / "social.js").read_text()))
    assert wanted and wanted <= set(re.findall(r'id="([\w-]+)"', html))
    symbols = {
        name for path in (STATIC / "social").glob("*.js") for name in re.findall(r'icon\("(\w+)"\)', path.read_text())
    }
    assert symbols and symbols <= set(re.findall(r'<symbol id="i-(\w+)"', html))


async def test_the_page_of_posts_is_there_where_feeds_are() -> None:
    response = await client().get("/social")
    assert response.status_code == 404
    assert "GREENROOM_ENTITIES=greenroom.social" in (await response.get_json())["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/", "/static/chat.js", "/social", "/static/social/social.js", "/docs", "/health", "/nope", "/metrics"]
)
async def test_every_answer_carries_the_security_headers_and_no_cookie(path: str) -> None:
    headers = (await client().get(path)).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in headers


async def test_files_are_revalidated_by_etag() -> None:
    pages = client(kinds=FEEDS)
    for path in ("/", "/static/chat.css", "/social", "/static/social/social.js"):
        first = await pages.get(path)
        assert first.headers["Cache-Control"] == "no-cache"
        again = await pages.get(path, headers=Headers({"If-None-Match": first.headers["ETag"]}))
        assert (again.status_code, await again.get_data()) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        changed = await pages.get(path, headers=Headers({"If-None-Match": '"other"'}))
        assert changed.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/app.py",
        "/static/..%2fapp.py",
        "/static/../app.py",
        "/static/..%5capp.py",
        "/static/%2fetc%2fpasswd",
        "/static/chat.js%00",
        "/static/social",
        "/static/social/",
        "/static/social/../app.py",
        "/static/social/..%2f..%2fapp.py",
        "/static/templates/chat.html",
    ],
)
async def test_only_its_own_files_are_served(path: str) -> None:
    assert (await client().get(path)).status_code == 404


async def test_health_ready_and_metrics() -> None:
    health = await client().get("/health")
    assert (health.status_code, await health.get_json()) == (200, {"status": "ok"})
    assert health.headers["Cache-Control"] == "no-store"
    ready = await client().get("/ready")
    assert (ready.status_code, await ready.get_json()) == (200, {"store": "ok"})
    unable = await client(able=False).get("/ready")
    assert (unable.status_code, await unable.get_json()) == (503, {"store": "down"})
    metrics = await client().get("/metrics")
    assert metrics.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert await metrics.get_data() == b"# TYPE x counter\nx 1\n"


async def test_errors_are_json_of_the_one_shape() -> None:
    pages = client()
    missing = await pages.get("/nope")
    assert missing.status_code == 404
    assert (await missing.get_json())["error"] == {
        "code": 404,
        "name": "not_found",
        "message": (await missing.get_json())["error"]["message"],
        "temporary": False,
    }
    wrong = await pages.post("/health")
    assert wrong.status_code == 405
    assert "GET" in wrong.headers["Allow"]
    assert (await wrong.get_json())["error"]["name"] == "method_not_allowed"


async def test_a_page_that_fails_says_so_without_saying_why() -> None:
    class Broken(Kinds):
        def __iter__(self) -> Any:
            raise RuntimeError("password=hunter2")

    response = await client(kinds=Broken()).get("/docs")
    assert response.status_code == 500
    assert "hunter2" not in await response.get_data(as_text=True)
    assert (await response.get_json())["error"]["name"] == "internal"


async def test_large_bodies_are_refused() -> None:
    response = await client().get("/health", data=b"x" * 70_000, headers=Headers({"Content-Length": "70000"}))
    assert response.status_code == 413
    assert (await response.get_json())["error"]["code"] == 413


async def test_asyncapi_names_the_host_that_was_asked_for() -> None:
    response = await client().get("/docs/asyncapi.json", headers=Headers({"Host": "chat.example.org:8443"}))
    server = (await response.get_json())["servers"]["here"]
    assert server == {"host": "chat.example.org:8443", "pathname": "/connection/websocket", "protocol": "ws"}


async def test_the_documents_show_what_is_published_and_nothing_of_what_is_hidden() -> None:
    pages = client(kinds=Kinds([Auction]))
    document = await (await pages.get("/docs/asyncapi.json")).get_json()
    messages = document["components"]["messages"]
    assert resolve(document, messages["auction.was_bid"]["payload"])["properties"].keys() == {"type", "amount"}
    assert "auction.reserved" not in messages
    assert (
        "Hidden, so that their offsets are missing: `auction.reserved`."
        in document["channels"]["auction"]["description"]
    )
    for path in ("/docs", "/docs/openapi.json", "/docs/asyncapi.json"):
        assert "bidder" not in await (await pages.get(path)).get_data(as_text=True), path
    html = await (await pages.get("/docs")).get_data(as_text=True)
    assert "Hidden, so that their offsets are missing: <code>auction.reserved</code>." in html


async def test_every_reference_in_the_documents_resolves() -> None:
    pages = client()
    for path in ("/docs/openapi.json", "/docs/asyncapi.json"):
        text = await (await pages.get(path)).get_data(as_text=True)
        references = re.findall(r'"\$ref":"([^"]+)"', text)
        assert references
        for reference in references:
            resolve(json.loads(text), {"$ref": reference})


async def test_the_docs_page_is_plain_and_escapes_what_classes_say() -> None:
    response = await client().get("/docs")
    html = await response.get_data(as_text=True)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    for expected in ("/api/counter/<i>key</i>/add", "counter.added", "Ephemeral publications", "Version 1.2.3"):
        assert expected in html
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;Not&lt;/b&gt;" in html
    assert (await client(kinds=Kinds()).get("/docs")).status_code == 200


async def test_documents_and_figures_are_for_staff_where_the_node_says_so() -> None:
    """A probe learns that the node is alive, and nothing else."""
    verifier = TokenVerifier(TokenConfig(secret=SECRET), lambda: 1_800_000_000)

    async def ready() -> tuple[bool, Mapping[str, Any]]:
        return True, {}

    pages = create_pages(
        PagesContext(
            env="production",
            version="1.2.3",
            kinds=Kinds([Counter]),
            bounds=Bounds(deadline_max_s=60.0, history_max=300),
            health=lambda: {"status": "ok", "awake": 7},
            ready=ready,
            scrape=no_metrics,
            details=staff_only(verifier, SessionChecks(SignedIn(), Mock(), None)),
        )
    ).test_client()
    documents = ("/docs", "/docs/openapi.json", "/docs/asyncapi.json")
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer x"}, 401),
        ({"Authorization": f"Bearer {token(sub='ann')}"}, 403),
    ):
        assert await (await pages.get("/health", headers=headers)).get_json() == {"status": "ok"}
        for path in documents:
            refused = await pages.get(path, headers=headers)
            assert refused.status_code == status and (await refused.get_json())["error"]["code"] == status
            assert ("WWW-Authenticate" in refused.headers) is (status == 401)
    for role in ("service", "admin"):
        headers = {"Authorization": f"Bearer {token(sub='ann', roles=[role])}"}
        assert (await (await pages.get("/health", headers=headers)).get_json())["awake"] == 7
        for path in documents:
            assert (await pages.get(path, headers=headers)).status_code == 200
