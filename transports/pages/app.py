"""The Quart app: the pages for chat and for people's posts with their files, health, metrics, the documents of the API,
the page for operators, and the operator's own pages.

But for the routes of `admin.py` and `unsubscribing.py` it only reads: no other changes anything; none sets a cookie.
Everything that lives longer than a request is given by the node through PagesContext.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from jinja2 import Environment, FileSystemLoader
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, NotFound, RequestEntityTooLarge

from greenroom.transports.errors import error_headers, http_error_body
from greenroom.transports.pages.admin import admin_routes
from greenroom.transports.pages.assets import Asset, asset, load_assets
from greenroom.transports.pages.context import PagesContext
from greenroom.transports.pages.documents import Documents
from greenroom.transports.pages.own_files import IsFolder, OwnFiles
from greenroom.transports.pages.unsubscribing import unsubscribe_routes

REQUEST_BYTES_MAX = 65_536

_HERE = Path(__file__).parent
# The process's own, and no app's: each is compiled once, however many apps there are.
_TEMPLATES = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_HTML = "text/html; charset=utf-8"
_JSON = "application/json"
_HEADERS = {
    # No inline script or style, nothing from elsewhere; 'self' covers the WebSocket too (CSP level 3).
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "media-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # browsers older than frame-ancestors obey this one
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def create_pages(context: PagesContext) -> QuartTrio:
    """The app, an ASGI callable for Hypercorn's trio worker. Starts nothing."""
    app = QuartTrio(__name__, static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = REQUEST_BYTES_MAX
    assets = load_assets(_HERE / "static")
    page = _TEMPLATES.get_template("chat.html").render(
        env=context.env, views=" ".join(sorted(view.name for view in context.views or ()))
    )
    chat = asset(page.encode(), _HTML)
    social = asset(
        _TEMPLATES.get_template("social.html")
        .render(env=context.env, media=context.media is not None, upload_bytes_max=context.bounds.upload_bytes_max)
        .encode(),
        _HTML,
    )
    admin = asset(_TEMPLATES.get_template("admin.html").render(env=context.env).encode(), _HTML)
    documents = Documents(context, _TEMPLATES.get_template("docs.html"))

    @app.before_request
    async def refuse_large_bodies() -> None:
        # No route would read it, so none would notice. One without a length is cut off by MAX_CONTENT_LENGTH.
        if (request.content_length or 0) > REQUEST_BYTES_MAX:
            raise RequestEntityTooLarge

    @app.after_request
    async def secure(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @app.errorhandler(HTTPException)
    async def refused(error: HTTPException) -> Response:
        code = error.code or 500
        response = _refusal(code, (error.name or "error").lower().replace(" ", "_"), error.description or "")
        for name, value in error.get_headers():
            if name.lower() in ("allow", "location"):
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    async def failed(error: Exception) -> Response:
        # The one place where a page's failure becomes an answer; its text stays in our log.
        app.logger.exception("page_failed", exc_info=error)
        return _refusal(500, "internal", "internal error")

    async def unless_allowed() -> Response | None:
        """The refusal for whoever may not read the documents."""
        error = await context.details(request.headers.get("Authorization"))
        if error is None:
            return None
        response = Response(http_error_body(error), status=error.status, content_type=_JSON)
        for name, value in error_headers(error):
            response.headers[name.decode()] = value.decode()
        return response

    own = OwnFiles(context.static) if context.static is not None else None

    @app.get("/")
    async def chat_page() -> Response:
        return await _own_or(chat, own, "")

    @app.get("/social")
    async def social_page() -> Response:
        if own is not None:  # a name that they may have used before there was such a page
            with suppress(NotFound):
                return await _own_at(own, "social")
        if "feed" in context.kinds:
            return _cached(social)
        return _refusal(404, "not_found", "there are no feeds here: GREENROOM_ENTITIES=greenroom.social installs them")

    @app.get("/static/<name>")
    @app.get("/static/<folder>/<name>", merge_slashes=False)  # else it would answer others by a redirect
    async def static_file(name: str, folder: str = "") -> Response:
        found = assets.get(f"{folder}/{name}" if folder else name)
        return _cached(found) if found else _refusal(404, "not_found", "no such file")

    @app.get("/favicon.ico")
    async def favicon() -> Response:  # asked for by browsers on every page that isn't ours to mark up
        return await _own_or(assets["favicon.svg"], own, "favicon.ico")

    @app.get("/health")
    async def health() -> Response:
        found = context.health()
        if await context.details(request.headers.get("Authorization")) is not None:
            found = {"status": found["status"]}  # a probe needs no more
        return _json(found)

    @app.get("/ready")
    async def ready() -> Response:
        able, why = await context.ready()
        return _json(why, 200 if able else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(await context.scrape(), content_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/docs")
    async def docs() -> Response:
        if (refusal := await unless_allowed()) is not None:
            return refusal
        return Response(documents.page, content_type=_HTML)

    @app.get("/docs/openapi.json")
    async def docs_openapi() -> Response:
        if (refusal := await unless_allowed()) is not None:
            return refusal
        return Response(documents.openapi, content_type=_JSON)

    @app.get("/docs/asyncapi.json")
    async def docs_asyncapi() -> Response:
        if (refusal := await unless_allowed()) is not None:
            return refusal
        return Response(documents.asyncapi(request.host), content_type=_JSON)

    if context.desk is not None and context.operators is not None:

        @app.get("/admin")
        async def admin_page() -> Response:
            return _cached(admin)

        app.register_blueprint(admin_routes(context.desk, context.operators))

    if context.unsubscribing is not None:
        app.register_blueprint(unsubscribe_routes(*context.unsubscribing))

    if own is not None:

        @app.get("/<path:address>")
        async def own_file(address: str) -> Response:
            return await _own_at(own, address)

    return app


async def _own_at(files: OwnFiles, address: str) -> Response:
    """Raises: NotFound, RequestEntityTooLarge."""
    try:
        return await _own(files, address)
    except IsFolder:
        query = request.query_string.decode()
        folder = quote(address.rpartition("/")[2])  # relative, whatever stands before it at the proxy
        location = f"./{folder}/" + (f"?{query}" if query else "")
        return Response(b"", 308, {"Location": location})


async def _own(files: OwnFiles, address: str) -> Response:
    """Raises: NotFound, IsFolder, RequestEntityTooLarge."""
    found = await files.open(address)
    known = found.etag in request.if_none_match
    if known or request.method == "HEAD":
        found.file.close()
        response = Response(b"", status=304 if known else 200, content_type=found.content_type)
    else:
        response = Response(files.pieces(found), content_type=found.content_type)
    if not known:
        response.content_length = found.size
    response.set_etag(found.etag)
    response.headers["Last-Modified"] = found.modified
    response.headers["Cache-Control"] = "no-cache"
    return response


async def _own_or(ours: Asset, files: OwnFiles | None, address: str) -> Response:
    """What the operator has at `address`, else what we have for it."""
    if files is not None:
        with suppress(NotFound):
            return await _own(files, address)
    return _cached(ours)


def _cached(found: Asset) -> Response:
    """Asked for again each time, sent again only when it changed: after an upgrade no page mixes old and new files."""
    if found.etag in request.if_none_match:
        response = Response(b"", status=304)  # not None: an empty iterable would be Quart's, on asyncio
    else:
        response = Response(found.body, content_type=found.content_type)
    response.set_etag(found.etag)
    response.headers["Cache-Control"] = "no-cache"
    return response


def _json(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status=status, content_type=_JSON)


def _refusal(code: int, name: str, message: str) -> Response:
    """The same shape as a refused command."""
    return _json({"error": {"code": code, "name": name, "message": message, "temporary": code == 503}}, code)
