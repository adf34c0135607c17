"""`/media`: what is asked, by whom, and how often at once."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from greenroom.config.limits import MediaConfig
from greenroom.transports.http import handover
from greenroom.transports.media import app
from greenroom.transports.media.app import OF_NOBODY_MAX, OF_USER_MAX
from tests.transports.media.stage import Stage

MADE_MAX = 5_000


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, most=MediaConfig(bytes_max=1_000, made_bytes_max=MADE_MAX, user_uploads_max=2))


async def test_what_is_spoken_here(stage: Stage) -> None:
    said = (await stage.request("OPTIONS", "/media")).headers
    assert (said["tus-version"], said["tus-max-size"]) == ("1.0.0", "1000")
    assert said["tus-extension"] == "creation,checksum,expiration,termination"


async def test_an_upload_from_its_beginning_to_its_end(stage: Stage) -> None:
    begun = await stage.request("POST", "/media", Upload_Length="10", Upload_Metadata="filename YS5qcGc=")
    assert begun.status == 201 and begun.headers["tus-resumable"] == "1.0.0"
    path = begun.headers["location"]
    head = await stage.request("HEAD", path)
    assert (head.status, head.headers["upload-offset"], head.headers["upload-length"]) == (200, "0", "10")
    assert head.headers["cache-control"] == "no-store" and head.headers["upload-expires"].endswith("GMT")
    assert (await stage.append(path.removeprefix("/media/"), 0, b"0123456789")).headers["upload-offset"] == "10"
    assert stage.kit("uploads:ann").view()["bytes"] == 10 + MADE_MAX
    assert (await stage.request("DELETE", path)).status == 204
    gone = await stage.request("HEAD", path)
    assert (gone.status, gone.body) == (410, b"")


@pytest.mark.bound("bytes of an upload")
async def test_an_upload_longer_than_may_be_is_refused_before_it_begins(stage: Stage) -> None:
    assert (await stage.request("POST", "/media", Upload_Length="1000")).status == 201
    refused = await stage.request("POST", "/media", Upload_Length="1001")
    assert (refused.status, refused.error) == (413, "media.too_large")
    assert list(stage.kit("uploads:ann").view()["media"].values()) == [
        {"size": 1000 + MADE_MAX, "unfinished": True, "name": ""}
    ]


async def test_who_has_no_room_or_no_name_begins_none(stage: Stage) -> None:
    for _ in range(2):
        await stage.begin(1)
    full = await stage.request("POST", "/media", Upload_Length="1")
    assert (full.status, full.error) == (429, "uploads.too_many")
    assert (await stage.request("POST", "/media", user="", Upload_Length="1")).status == 401
    assert (await stage.request("POST", "/media", user="bob", Upload_Length="1")).status == 201


async def test_anothers_upload_is_nobodys_business(stage: Stage) -> None:
    media = await stage.begin(10)
    path = f"/media/{media}"
    for method in ("HEAD", "DELETE"):
        assert (await stage.request(method, path, user="bob")).status == 403
        assert (await stage.request(method, path, user="")).status == 401
    assert (await stage.append(media, 0, b"x", user="bob")).status == 403
    assert (await stage.append(media, 0, b"x", Authorization="Bearer nonsense")).status == 401
    assert await stage.offset(media) == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/media", 404),
        ("GET", "/media/", 404),
        ("HEAD", "/media/..%2f..%2fetc", 404),
        ("HEAD", "/media/0123456789abcdef01234567", 404),
        ("GET", "/media/0123456789abcdef01234567/thumb", 404),
        ("GET", "/media/0123456789abcdef0123456z/thumb", 404),
        ("GET", "/media/0123456789abcdef01234567/a/b", 404),
        ("POST", "/media/0123456789abcdef01234567/thumb", 404),
        ("PUT", "/media/0123456789abcdef01234567", 405),
    ],
)
async def test_what_is_not_there(stage: Stage, method: str, path: str, status: int) -> None:
    assert (await stage.request(method, path)).status == status


async def test_a_query_that_is_none_is_refused(stage: Stage) -> None:
    path = "/media/0123456789abcdef01234567/thumb"
    assert (await stage.request("GET", f"{path}?{'a=b&' * 11}")).error == "bad_request"
    assert (await stage.request("GET", f"{path}?expires=%ff&signature=%00")).error == "media.link"


async def test_another_version_of_the_protocol_is_refused(stage: Stage) -> None:
    media = await stage.begin(10)
    for method, path in (("POST", "/media"), ("HEAD", f"/media/{media}"), ("PATCH", f"/media/{media}")):
        assert (await stage.request(method, path, Tus_Resumable="0.2.2")).status == 412


async def test_other_pages_are_let_in_by_their_origin(tmp_path: Path) -> None:
    stage = Stage(tmp_path, origins=("https://app.example.org",))
    asked = {"Origin": "https://app.example.org", "Access_Control_Request_Headers": "upload-offset"}
    allowed = await stage.request("OPTIONS", "/media", more=asked)
    assert allowed.headers["access-control-allow-origin"] == "https://app.example.org"
    assert "PATCH" in allowed.headers["access-control-allow-methods"]
    assert allowed.headers["access-control-allow-headers"] == "upload-offset"
    begun = await stage.request("POST", "/media", Upload_Length="1", Origin="https://app.example.org")
    assert "Upload-Offset" in begun.headers["access-control-expose-headers"]
    other = await stage.request("POST", "/media", Upload_Length="1", Origin="https://evil.example.org")
    assert (other.status, "access-control-allow-origin" in other.headers) == (403, False)


@pytest.mark.bound("requests for media of one user under way")
async def test_one_user_does_not_take_all_places(stage: Stage, autojump_clock: MockClock) -> None:
    media = await stage.begin(1_000)
    statuses: list[int] = []

    async def stalls() -> None:
        statuses.append((await stage.append(media, 0, b"", stalls=True)).status)

    async with trio.open_nursery() as nursery:
        for _ in range(OF_USER_MAX):
            nursery.start_soon(stalls)
        await trio.sleep(1)
        assert (await stage.request("HEAD", f"/media/{media}")).status == 429
        assert (await stage.request("POST", "/media", user="bob", Upload_Length="1")).status == 201
    assert statuses == [408] * OF_USER_MAX and stage.app._under_way == {}


async def test_an_entity_that_does_not_answer_is_waited_for_so_long(
    stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(*_: object, **__: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(stage.app, "_ask", silent)
    answer = await stage.request("HEAD", "/media/0123456789abcdef01234567")
    assert answer.status == 504 and trio.current_time() >= app.ASK_S


async def test_a_mistake_of_ours_is_said_without_its_text(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise KeyError("a secret")

    monkeypatch.setattr(stage.app, "_ask", broken)
    answer = await stage.request("POST", "/media", Upload_Length="1")
    assert (answer.status, answer.error) == (500, "internal") and b"secret" not in answer.body


async def test_those_whom_nobody_knows_leave_places_to_others(stage: Stage) -> None:
    """However many of them come at once, by links or to what is public."""
    assert OF_NOBODY_MAX < handover.MEDIA_MAX
    async with AsyncExitStack() as places:
        for _ in range(OF_NOBODY_MAX):
            await places.enter_async_context(stage.app._place(""))
        link = f"/media/{'0' * 24}/thumb?expires=1&signature=00"
        assert (await stage.request("GET", link, user="")).status == 429
        assert (await stage.request("POST", "/media", Upload_Length="1")).status == 201


async def test_a_version_that_is_another_is_told_which_one_is_spoken(stage: Stage) -> None:
    refused = await stage.request("POST", "/media", Upload_Length="1", Tus_Resumable="0.2.2")
    assert (refused.status, refused.error, refused.headers["tus-version"]) == (412, "media.version", "1.0.0")


async def test_a_client_that_can_only_post_says_in_a_header_what_it_wants(stage: Stage) -> None:
    media = await stage.begin(4)
    more = {
        "X-HTTP-Method-Override": "PATCH",
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": "0",
    }
    assert (await stage.request("POST", f"/media/{media}", b"1234", more=more)).status == 204
    assert await stage.offset(media) == 4
    get = await stage.request("GET", f"/media/{media}/thumb", more={"X-HTTP-Method-Override": "DELETE"})
    assert get.error == "media.not_ready", "what a page may ask for without being asked itself changes nothing"
    more = {"X-HTTP-Method-Override": "DELETE"}
    assert (await stage.request("POST", f"/media/{media}", more=more)).status == 204
    assert (await stage.request("HEAD", f"/media/{media}")).status == 410
