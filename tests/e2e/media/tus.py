"""A small client of tus 1.0.0, for tests."""

import hashlib
from base64 import b64encode
from typing import Any

from tests.e2e.server import Answer, Server, wait_until

PATCHED = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


def metadata(**values: str) -> str:
    return ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in values.items())


class Tus:
    """One user's uploads."""

    def __init__(self, server: Server, user: str = "ann") -> None:
        self.server = server
        self.user = user

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.server.request(method, path, body, user=self.user, headers={"Tus-Resumable": "1.0.0", **sent})

    def begin(self, size: int, **said: str) -> str:
        """Its id."""
        answer = self.request("POST", "/media", Upload_Length=str(size), Upload_Metadata=metadata(**said))
        assert answer.status == 201, answer
        return answer.headers["location"].removeprefix("/media/")

    def append(self, media: str, offset: int, body: bytes, **headers: str) -> Answer:
        sent = {**PATCHED, "Upload-Offset": str(offset)}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.server.request("PATCH", f"/media/{media}", body, user=self.user, headers=sent)

    def offset(self, media: str) -> int:
        answer = self.request("HEAD", f"/media/{media}")
        assert answer.status == 200, answer
        return int(answer.headers["upload-offset"])

    def upload(self, data: bytes, **said: str) -> str:
        media = self.begin(len(data), **said)
        answer = self.append(media, 0, data)
        assert (answer.status, answer.headers["upload-offset"]) == (204, str(len(data))), answer
        return media

    def view(self, media: str) -> Any:
        answer = self.server.request("GET", f"/api/media/{media}", user=self.user)
        assert answer.status == 200, answer
        return answer.body["view"]

    def until(self, media: str, *states: str) -> Any:
        wait_until(lambda: self.view(media)["state"] in states, f"{media} to be {states}", within_s=60.0)
        return self.view(media)

    def held(self) -> Any:
        """What `uploads:USER` shows."""
        return self.server.request("GET", f"/api/uploads/{self.user}", user=self.user).body["view"]


def checksum(data: bytes) -> str:
    return f"sha256 {b64encode(hashlib.sha256(data).digest()).decode()}"
