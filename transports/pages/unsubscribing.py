"""`/unsubscribe`: what a link in a mail leads to, and what a reader of mail posts to at one click (RFC 8058).

To look at it changes nothing, since programs look at links before people do: it asks, and its button posts. Nobody is
signed in, and nothing is said of whose mails these are.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import trio
from quart import Blueprint, Response, request

from greenroom.actors.inbox.messages import Prefer
from greenroom.actors.model.errors import ActorError, Refused
from greenroom.transports.notices.unsubscribe import Unsubscribing

ASK_S = 10.0
_HTML = "text/html; charset=utf-8"
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Mails</title>
{main}
</html>
"""
_ASKS = '<main><h1>Stop these mails?</h1><form method="post"><button>Stop them</button></form></main>'
_DONE = "<main><h1>These mails have stopped.</h1><p>They can be had again in your settings.</p></main>"
_WRONG = "<main><h1>This link is not whole.</h1><p>Open it from the mail once more, or change your settings.</p></main>"
_LATER = "<main><h1>That can not be done just now.</h1><p>Try again in a minute.</p></main>"
_OWN_FORMS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
}

Ask = Callable[[str, Prefer], Awaitable[Any]]


def unsubscribe_routes(links: Unsubscribing, ask: Ask) -> Blueprint:
    """`ask` tells an inbox, as Greenroom itself."""
    routes = Blueprint("unsubscribe", __name__)

    @routes.get("/unsubscribe")
    async def look() -> Response:
        try:
            links.check(request.args)
        except Refused as error:
            return _page(_WRONG, error.status)
        return _page(_ASKS)

    @routes.post("/unsubscribe")
    async def stop() -> Response:
        try:
            user, preferences = links.check(request.args)
        except Refused as error:
            return _page(_WRONG, error.status)
        try:
            with trio.fail_after(ASK_S):
                for one in preferences:
                    await ask(f"inbox:{user}", one)
        except (ActorError, trio.TooSlowError) as error:
            if not isinstance(error, ActorError) or error.temporary:
                return _page(_LATER, 503)
            # Nobody is there any more: then nothing is sent either.
        return _page(_DONE)

    return routes


def _page(main: str, status: int = 200) -> Response:
    return Response(_PAGE.format(main=main), status=status, content_type=_HTML, headers=_OWN_FORMS)
