"""One connection to a running server, kept open: a command may ask it thousands of times.

What is refused only for now is asked again, and so is what was on its way when the connection was lost: under the same
key, so that it is done once. The token is sent to that server alone: where it answers with another address, that is not
followed.
"""

import http.client
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from greenroom.supervisors.cli.terminal.plainly import Trouble
from greenroom.supervisors.cli.terminal.printable import printable

ANSWER_S = 35.0
SERVER_S = 30  # that the server may take
AGAIN_S, AGAIN_MAX = 1.0, 10  # what is only for now is asked again
FOR_NOW = (429, 503)


class Connection:
    """`url`: as `checked_url` gives it."""

    def __init__(self, url: str, token: Callable[[], str]) -> None:
        """`token`: for each request; it may be another one."""
        self.url = url.rstrip("/")
        split = urlsplit(self.url)
        made = http.client.HTTPSConnection if split.scheme == "https" else http.client.HTTPConnection
        self._connection = made(split.hostname or "", split.port, timeout=ANSWER_S)
        self._path = split.path
        self._token = token

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> tuple[int, bytes]:
        """Status and content. Raises: Trouble where there is no answer."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._ask("GET", f"{path}{'?' if given else ''}{urlencode(given)}", None, "")

    def post(self, path: str, body: Mapping[str, Any], key: str) -> tuple[int, bytes]:
        """`key`: the same once more takes effect once. Raises: likewise."""
        return self._ask("POST", path, msgspec.json.encode(body), key)

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes | None, key: str) -> tuple[int, bytes]:
        is_lost = False
        again = 0
        while True:
            try:
                status, content = self._once(method, path, body, key)
            except (OSError, ValueError, http.client.HTTPException) as error:
                self._connection.close()  # the next request opens it again
                if is_lost:
                    raise Trouble(f"{self.url}: {printable(str(error)) or type(error).__name__}") from None
                is_lost = True  # most likely the server has closed it meanwhile: once more
                continue
            if status not in FOR_NOW or again == AGAIN_MAX:
                return status, content
            again += 1
            time.sleep(AGAIN_S)

    def _once(self, method: str, path: str, body: bytes | None, key: str) -> tuple[int, bytes]:
        """Raises: OSError, ValueError, HTTPException."""
        headers = {"Authorization": f"Bearer {self._token()}", "X-Request-Timeout": str(SERVER_S)}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": key}
        self._connection.request(method, self._path + path, body=body, headers=headers)
        with self._connection.getresponse() as answer:
            return answer.status, answer.read()
