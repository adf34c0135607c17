"""Files, to those who may see them."""

import json
from pathlib import Path

import pytest

from greenroom.actors.media.messages import Publish
from greenroom.store.objects.objects import ObjectsUnavailable
from tests.transports.media.stage import NOW, Stage

DATA = bytes(range(256)) * 5_000


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


async def test_a_file_comes_whole_and_in_part_and_not_again(stage: Stage) -> None:
    media = await stage.ready(original=b"o" * 10, thumb=DATA)
    path = f"/media/{media}/thumb"
    whole = await stage.request("GET", path)
    assert (whole.status, whole.body, whole.is_whole) == (200, DATA, True)
    said = whole.headers
    assert (said["content-length"], said["content-type"], said["accept-ranges"]) == (
        str(len(DATA)),
        "image/webp",
        "bytes",
    )
    assert said["x-content-type-options"] == "nosniff" and "sandbox" in said["content-security-policy"]
    assert said["cache-control"] == "private, no-cache"
    some = await stage.request("GET", path, Range="bytes=256-511", If_Range=said["etag"])
    assert (some.status, some.body) == (206, DATA[256:512])
    assert some.headers["content-range"] == f"bytes 256-511/{len(DATA)}"
    beyond = await stage.request("GET", path, Range=f"bytes={len(DATA)}-")
    assert (beyond.status, beyond.headers["content-range"], beyond.body) == (416, f"bytes */{len(DATA)}", b"")
    known = await stage.request("GET", path, If_None_Match=said["etag"])
    assert (known.status, known.body, known.headers["etag"]) == (304, b"", said["etag"])
    head = await stage.request("HEAD", path)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(DATA)))


async def test_an_original_is_saved_and_what_was_made_of_it_is_shown(stage: Stage) -> None:
    media = await stage.ready(original=b"o" * 10, thumb=b"t")
    stage.kit(f"media:{media}").state.name = 'a "b".jpg\n'
    original = await stage.request("GET", f"/media/{media}/original")
    assert original.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20%22b%22.jpg%0A"
    assert (await stage.request("GET", f"/media/{media}/thumb")).headers["content-disposition"] == "inline"


async def test_others_see_what_is_public_and_what_they_have_a_link_to(stage: Stage) -> None:
    media = await stage.ready(original=b"o" * 10, thumb=b"t")
    paths = {name: f"/media/{media}/{name}" for name in ("thumb", "original")}
    for user, status in (("bob", 403), ("", 401)):
        assert (await stage.request("GET", paths["thumb"], user=user)).status == status
    made = await stage.request("POST", f"/media/{media}/links", b'{"name": "original", "ttl_s": 60}')
    link = json.loads(made.body)
    assert link["expires"] == NOW + 60 and made.headers["cache-control"] == "no-store"
    linked = await stage.request("GET", link["url"], user="")
    assert (linked.status, linked.body, linked.headers["cache-control"]) == (200, b"o" * 10, "private, max-age=60")
    for wrong in (link["url"][:-1] + "x", link["url"].replace("original", "thumb"), link["url"] + "&x=1&signature=0"):
        assert (await stage.request("GET", wrong, user="")).error == "media.link"
    stage.kit(f"media:{media}").ask(Publish(), user="ann")
    public = await stage.request("GET", paths["thumb"], user="")
    assert (public.status, public.headers["cache-control"]) == (200, "public, max-age=60")
    assert (await stage.request("GET", paths["original"], user="bob")).status == 403


async def test_a_link_is_its_owners_to_make(stage: Stage) -> None:
    media = await stage.ready(original=b"o" * 10, thumb=b"t")
    path = f"/media/{media}/links"
    assert (await stage.request("POST", path, b'{"name": "thumb"}', user="bob")).status == 403
    assert (await stage.request("POST", path, b'{"name": "thumb"}', user="")).status == 401
    assert (await stage.request("POST", path, b'{"name": "none"}')).error == "media.no_such_file"
    for body, status in ((b"{", 422), (b'{"name": "thumb", "ttl_s": 1e9}', 422), (b"[" * 2_000, 413), (b"\xff", 422)):
        assert (await stage.request("POST", path, body)).status == status, body
    stage.app._links = None
    assert (await stage.request("POST", path, b'{"name": "thumb"}')).error == "media.no_links"


async def test_no_link_opens_what_was_deleted(stage: Stage) -> None:
    media = await stage.ready(original=b"o" * 10, thumb=b"t")
    link = stage.links.signed(media, "thumb", int(NOW) + 60)
    assert (await stage.request("GET", link, user="")).status == 200
    assert (await stage.request("DELETE", f"/media/{media}")).status == 204
    assert (await stage.request("GET", link, user="")).status == 410


async def test_a_storage_that_fails_is_an_answer_or_one_that_ends_too_early(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = await stage.ready(original=b"o" * 10, thumb=DATA)
    pieces = stage.objects.pieces

    def fails(name: str, first: int, size: int) -> object:
        yield next(iter(pieces(name, first, size)))
        raise ObjectsUnavailable("away")

    monkeypatch.setattr(stage.objects, "pieces", fails)
    cut = await stage.request("GET", f"/media/{media}/thumb")
    assert cut.status == 200 and 0 < len(cut.body) < len(DATA) and not cut.is_whole
    monkeypatch.undo()
    stage.objects.delete(f"{media}/thumb")
    assert (await stage.request("GET", f"/media/{media}/thumb")).error == "media.storage"


async def test_nobody_reads_on_for_a_client_that_is_gone(stage: Stage) -> None:
    media = await stage.ready(original=b"o" * 10, thumb=DATA)
    gone = await stage.request("GET", f"/media/{media}/thumb", is_gone=True)
    assert not gone.is_whole
