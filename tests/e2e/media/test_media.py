"""Uploads to a real server, over sockets, worked on by its own processes: from the first byte to the last file gone."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from schemathesis import GenerationMode

from tests.e2e.conftest import need
from tests.e2e.event_stream import EventStream, Following
from tests.e2e.media.files import PLAYLIST, picture, video
from tests.e2e.media.tus import Tus, checksum
from tests.e2e.server import Server, wait_until
from tests.e2e.test_openapi import complaints

BYTES_MAX = 2_000_000


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("objects")


@pytest.fixture(scope="module")
def server(kept: Path) -> Iterator[Server]:
    one = Server(
        GREENROOM_MEDIA=f"file://{kept}",
        GREENROOM_MEDIA_BYTES_MAX=str(BYTES_MAX),
        GREENROOM_MEDIA_USER_UPLOADS_MAX="20",
        GREENROOM_WORK="media:2",
    )
    one.start()
    yield one
    one.remove()


def files(kept: Path, media: str) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in (kept / media).rglob("*") if path.is_file())


def test_a_picture_from_its_first_byte_to_the_last_file_gone(server: Server, kept: Path) -> None:
    tus, data = Tus(server), picture()
    media = tus.begin(len(data), filename="a.jpg", filetype="image/jpeg")
    stream = EventStream(server, f"media:{media}", user="ann")
    with Following(stream):
        wait_until(lambda: stream.views == 1, "the view")
        assert tus.append(media, 0, data[:5_000], Upload_Checksum=checksum(data[:5_000])).status == 204
        assert tus.append(media, 5_000, data[5_000:]).status == 204
        view = tus.until(media, "ready", "refused")
        assert view["state"] == "ready" and view["original"]["width"] == 900
        wait_until(lambda: "media.ready" in shown(stream), "watchers to see it")
    assert shown(stream) == ["media.received"] * 2 + ["media.uploaded", "media.checked", "media.ready"]
    job = server.request("GET", f"/api/job/{view['job']}", user="ann").body["view"]
    assert (job["job"], job["by"]) == ("job.media_render", "ann"), "its owner may look at the job"
    assert tus.request("GET", f"/media/{media}/original").body == data
    part = tus.request("GET", f"/media/{media}/thumb", Range="bytes=0-3")
    assert (part.status, part.body) == (206, b"RIFF")
    wait_until(lambda: files(kept, media) == ["large", "medium", "original", "thumb"], "the parts to be cleared away")
    assert tus.request("DELETE", f"/media/{media}").status == 204
    wait_until(lambda: not (kept / media).exists(), "its files to go")
    assert media not in tus.held()["media"]


def shown(stream: EventStream) -> list[str]:
    data = [event.data["data"] for event in stream.events if event.name == "message"]
    return [str(one["type"]) for one in data if one["type"] != "media.progress"]


def test_a_video_is_cut_and_seen_by_whoever_has_a_link(server: Server, tmp_path: Path) -> None:
    need("ffmpeg, as of Debian's package", shutil.which("ffmpeg") is not None)
    tus = Tus(server)
    media = tus.upload(video(tmp_path), filetype="video/mp4")
    view = tus.until(media, "ready", "refused")
    assert [one["name"] for one in view["renditions"]] == ["240p", "thumb"], view
    made = tus.request("POST", f"/media/{media}/links", b'{"name": "240p", "ttl_s": 60}')
    answer = server.request("GET", made.body["url"], user=None, headers={"Range": "bytes=4-7"})
    assert (answer.status, answer.body) == (206, b"ftyp")
    signature = made.body["url"].rpartition("=")[2]
    assert signature not in server.log()


def test_lists_of_other_files_and_what_was_cut_off_are_refused(server: Server, kept: Path, tmp_path: Path) -> None:
    tus = Tus(server)
    sent = {tus.upload(PLAYLIST, filename="film.mp4", filetype="video/mp4"): "media.not_media"}
    sent[tus.upload(picture()[:9_000], filetype="image/jpeg")] = "media.damaged"
    sent[tus.upload(picture(), sha256="0" * 64)] = "media.checksum"
    if shutil.which("ffmpeg") is not None:
        whole = video(tmp_path)
        sent[tus.upload(whole[: len(whole) * 2 // 3], filetype="video/mp4")] = "media.damaged"
    for media, reason in sent.items():
        view = tus.until(media, "ready", "refused")
        assert (view["state"], view["reason"]) == ("refused", reason), view
        wait_until(lambda media=media: not (kept / media).exists(), "its files to go")  # type: ignore[misc]
    assert not sent.keys() & tus.held()["media"].keys()


def test_an_upload_goes_on_after_its_client_was_cut_off_and_its_server_killed(server: Server) -> None:
    tus, data = Tus(server), picture() * 80
    assert 1_200_000 < len(data) < BYTES_MAX
    media = tus.begin(len(data))
    with socket.create_connection(("127.0.0.1", server.port)) as cut:
        cut.sendall(head(media, len(data)) + data[:1_200_000])
        wait_until(lambda: tus.offset(media) == 1 << 20, "the first piece to be kept")
    wait_until(lambda: tus.offset(media) == 1_200_000, "what came before it was cut off")
    server.restart(kill=True)
    tus = Tus(server)
    assert tus.offset(media) == 1_200_000
    assert tus.append(media, 1_200_000, data[1_200_000:]).status == 204
    assert tus.until(media, "ready", "refused")["state"] == "ready"
    assert tus.request("GET", f"/media/{media}/original").body == data


def head(media: str, length: int, *, offset: int = 0) -> bytes:
    return (
        f"PATCH /media/{media} HTTP/1.1\r\nHost: localhost\r\nX-Greenroom-User: ann\r\nContent-Length: {length}\r\n"
        f"Content-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\n\r\n"
    ).encode()


def test_who_is_refused_while_they_still_send_hears_why(server: Server) -> None:
    media = Tus(server).begin(10)
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as one:
        one.sendall(head(media, 1_000_000) + bytes(1_000_000))
        answer = b""
        while more := one.recv(65_536):
            answer += more
    status, _, body = answer.partition(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 413 ") and json.loads(body)["error"]["name"] == "media.too_long"


# But PATCH, of whose bodies no generator knows how they are written.
ASKED = ["post /media", "head /media/{id}", "delete /media/{id}", "post /media/{id}/links", "get /media/{id}/{name}"]


def test_what_the_document_of_the_api_says_is_so(server: Server) -> None:
    said = server.request("GET", "/docs/openapi.json").body
    said["paths"] = {path: one for path, one in said["paths"].items() if path.startswith("/media")}
    begins = said["paths"]["/media"]["post"]  # without names and values in base64, which no schema says
    begins["parameters"] = [one for one in begins["parameters"] if one.get("name") != "Upload-Metadata"]
    document = schemathesis.openapi.from_dict(said)
    for asked in ASKED:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            assert complaints(server, document, asked, mode, examples=5) == [], asked


def test_a_token_is_looked_at_as_anywhere(server: Server) -> None:
    tus = Tus(server)
    media = tus.upload(picture(16, 16))
    tus.until(media, "ready", "refused")
    path = f"/media/{media}/thumb"

    def status(**claims: object) -> int:
        token = server.token(str(claims.pop("sub", "bob")), **claims)
        return server.request("GET", path, user=None, headers={"Authorization": f"Bearer {token}"}).status

    assert (status(sub="ann"), status(), status(roles=["service"]), status(sub="ann", exp=1)) == (200, 403, 200, 401)
    server.command("session:ann", "sign_out", user="ann")
    assert status(sub="ann", iat=1_700_000_000) == 401
    assert server.request("GET", path, user=None).status == 401
    server.command(f"media:{media}", "publish", user="ann")
    assert server.request("GET", path, user=None).status == 200
    assert server.request("GET", path, user=None, headers={"Authorization": "Bearer nonsense"}).status == 401
