"""More of an upload, as it comes, goes wrong, and goes on."""

import hashlib
from base64 import b64encode
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.media.messages import Receive
from greenroom.actors.model.errors import OutcomeUnknown
from greenroom.actors.model.principal import Principal
from greenroom.store.objects.objects import ObjectsUnavailable
from greenroom.transports.media import uploading
from greenroom.transports.media.uploading import PIECE_BYTES, Appending
from tests.transports.media.stage import Stage

MIB = 1 << 20


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def chunks(data: bytes, size: int = 60_000) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def sha256(data: bytes) -> str:
    return f"sha256 {b64encode(hashlib.sha256(data).digest()).decode()}"


def come(stage: Stage, media: str) -> bytes:
    """What the entity counts, as the storage has it."""
    parts = stage.kit(f"media:{media}").state.parts
    return b"".join(b"".join(stage.objects.pieces(part.name)) for part in parts)


async def test_it_becomes_objects_piece_by_piece_and_none_is_larger(stage: Stage) -> None:
    data = bytes(range(256)) * 10_000
    media = await stage.begin(len(data))
    answer = await stage.append(media, 0, chunks(data))
    assert (answer.status, answer.headers["upload-offset"]) == (204, str(len(data)))
    sizes = [part.size for part in stage.kit(f"media:{media}").state.parts]
    assert sizes == [PIECE_BYTES, PIECE_BYTES, len(data) - 2 * PIECE_BYTES]
    assert come(stage, media) == data and stage.kit(f"media:{media}").view()["state"] == "checking"


@pytest.mark.bound("bytes of one upload request in memory")
async def test_no_more_than_a_piece_is_in_memory(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much comes, it is an object before more is taken than that and one read."""
    put, kept, taken = stage.threaded.put, 0, 0
    held: list[int] = []

    async def counted(name: str, piece: bytes) -> None:
        nonlocal kept
        held.append(taken - kept)
        kept += len(piece)
        await put(name, piece)

    async def pieces() -> AsyncGenerator[bytes, None]:
        nonlocal taken
        for chunk in chunks(bytes(5 * MIB)):
            await trio.lowlevel.checkpoint()
            taken += len(chunk)
            yield chunk

    monkeypatch.setattr(stage.threaded, "put", counted)
    media = await stage.begin(5 * MIB)
    ann = Principal(user="ann")
    appending = Appending(media, ask=stage.ask, objects=stage.threaded, principal=ann, checksum=None)
    await appending.run(0, None, pieces())
    assert len(held) == 5 and max(held) < PIECE_BYTES + 60_000


async def test_a_client_that_is_gone_half_way_goes_on_where_it_was(stage: Stage) -> None:
    data = bytes(range(256)) * 6_000
    media = await stage.begin(len(data))
    answer = await stage.append(media, 0, chunks(data[:1_200_000]), is_gone=True)
    assert answer.status == 0 and await stage.offset(media) == 1_200_000
    assert (await stage.append(media, 1_200_000, chunks(data[1_200_000:]))).status == 204
    assert come(stage, media) == data


async def test_a_slow_one_keeps_what_has_come_and_hears_so(stage: Stage, autojump_clock: MockClock) -> None:
    media = await stage.begin(100)
    answer = await stage.append(media, 0, b"x" * 40, stalls=True)
    assert (answer.status, answer.error) == (408, "media.too_slow") and await stage.offset(media) == 40


async def test_with_a_checksum_all_of_it_counts_or_nothing(stage: Stage) -> None:
    data = bytes(range(256)) * 6_000
    media = await stage.begin(len(data))
    wrong = await stage.append(media, 0, chunks(data), Upload_Checksum=sha256(data[:-1]))
    assert (wrong.status, wrong.error) == (460, "media.checksum")
    await stage.append(media, 0, chunks(data[:-1]), Upload_Checksum=sha256(data), is_gone=True)
    assert await stage.offset(media) == 0 and stage.kept() == []
    assert (await stage.append(media, 0, chunks(data), Upload_Checksum=sha256(data))).status == 204
    assert come(stage, media) == data
    assert (await stage.append(media, 0, b"", Upload_Checksum="md5 abc")).status == 400


async def test_where_it_does_not_go_on_nothing_is_taken(stage: Stage) -> None:
    media = await stage.begin(100)
    await stage.append(media, 0, b"x" * 40)
    for offset in (0, 39, 41):
        answer = await stage.append(media, offset, b"y")
        assert (answer.status, answer.error) == (409, "media.offset")
    assert await stage.offset(media) == 40 and len(stage.kept()) == 1


async def test_a_body_longer_than_was_said_is_refused(stage: Stage) -> None:
    media = await stage.begin(100)
    said = await stage.append(media, 0, b"x" * 101, Content_Length="101")
    assert (said.status, said.error) == (413, "media.too_long") and stage.kept() == []
    unsaid = await stage.append(media, 0, [b"x" * 60, b"x" * 60])
    assert (unsaid.status, unsaid.error) == (413, "media.too_long")
    assert await stage.offset(media) == 0 and stage.kept() == []


async def test_of_two_who_send_the_same_one_is_late(stage: Stage) -> None:
    """Each has begun before the other has ended; what the late one brought is no more."""
    media = await stage.begin(100)
    answers: list[int] = []

    async def send(byte: bytes) -> None:
        answers.append((await stage.append(media, 0, [byte * 50, byte * 50])).status)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, b"a")
        nursery.start_soon(send, b"b")
    assert sorted(answers) == [204, 409]
    assert come(stage, media) in (b"a" * 100, b"b" * 100) and len(stage.kept()) == 1


async def test_a_storage_that_fails_is_said_and_what_came_before_is_kept(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(3 * MIB)
    media = await stage.begin(len(data))
    put, puts = stage.threaded.put, 0

    async def fails(name: str, piece: bytes) -> None:
        nonlocal puts
        puts += 1
        if puts == 2:
            raise ObjectsUnavailable("no space left")
        await put(name, piece)

    monkeypatch.setattr(stage.threaded, "put", fails)
    answer = await stage.append(media, 0, chunks(data))
    assert (answer.status, answer.error, answer.headers["retry-after"]) == (503, "media.storage", "1")
    assert b"space" not in answer.body, "what a storage says of itself is for the log"
    assert await stage.offset(media) == MIB
    assert (await stage.append(media, MIB, chunks(data[MIB:]))).status == 204
    assert come(stage, media) == data


async def test_a_folder_that_is_none_is_a_storage_that_fails(stage: Stage) -> None:
    media = await stage.begin(10)
    stage.folder.rmdir()
    stage.folder.write_text("no folder")
    assert (await stage.append(media, 0, b"x")).error == "media.storage"
    assert await stage.offset(media) == 0


async def test_what_the_entity_may_have_heard_is_not_deleted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    media = await stage.begin(100)
    ask = stage.ask

    async def lost(entity: str, message: Any, /, *, principal: Any) -> Any:
        reply = await ask(entity, message, principal=principal)
        if isinstance(message, Receive):
            raise OutcomeUnknown
        return reply

    monkeypatch.setattr(stage.app, "_ask", lost)
    assert (await stage.append(media, 0, b"x" * 40)).error == "outcome_unknown"
    monkeypatch.setattr(stage.app, "_ask", ask)
    assert await stage.offset(media) == 40 and come(stage, media) == b"x" * 40


async def test_what_is_refused_while_it_comes_is_deleted_again(stage: Stage) -> None:
    """The media was deleted meanwhile, say."""
    media = await stage.begin(3 * MIB)
    ask = stage.ask

    async def deleting(entity: str, message: Any, /, *, principal: Any) -> Any:
        if isinstance(message, Receive):
            await stage.request("DELETE", f"/media/{media}")
        return await ask(entity, message, principal=principal)

    stage.app._ask = deleting
    answer = await stage.append(media, 0, bytes(MIB))
    assert (answer.status, answer.error) == (410, "media.gone") and stage.kept() == []


@pytest.mark.bound("bytes of an upload request with a checksum")
async def test_a_request_whose_checksum_is_far_off_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it counts until then, and what doesn't count is in nobody's bounds."""
    monkeypatch.setattr(uploading, "CHECKED_BYTES_MAX", MIB)
    media = await stage.begin(3 * MIB)
    data = bytes(MIB + 1)
    for length in ({}, {"Content_Length": str(len(data))}):
        refused = await stage.append(media, 0, chunks(data), Upload_Checksum=sha256(data), **length)
        assert (refused.status, refused.error) == (413, "media.too_much_at_once")
        assert stage.kept() == [] and await stage.offset(media) == 0
    assert (await stage.append(media, 0, chunks(data))).status == 204
