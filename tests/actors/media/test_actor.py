"""One upload, from its first byte until it is shown or gone."""

from typing import Any

import pytest
from msgspec.structs import replace

from greenroom import Refused
from greenroom.actors.jobs.queue.single.telling import Look, Looked, Standing
from greenroom.actors.jobs.single.messages import Cancel
from greenroom.actors.media import actor, state
from greenroom.actors.media.actor import Media
from greenroom.actors.media.jobs import Check, Clean, Render, Rendered
from greenroom.actors.media.jobs import Looked as Found
from greenroom.actors.media.messages import (
    PARTS_MAX,
    Begin,
    Delete,
    Find,
    HowFar,
    Part,
    Publish,
    Receive,
    Rendition,
    Settle,
    TryAgain,
)
from greenroom.actors.model.effects import Told
from greenroom.actors.model.message import Ask
from greenroom.testing import Kit
from tests.actors.media.edge import ask

ID = "0123456789abcdef01234567"
ORIGINAL = Rendition(
    name="original", object=f"{ID}/original-1.jpg", type="image/jpeg", size=10, digest="ab", width=4, height=3
)
THUMB = Rendition(name="thumb", object=f"{ID}/thumb-1.webp", type="image/webp", size=3, digest="cd", width=2, height=1)


def begun(size: int = 10, **fields: Any) -> Kit[Media]:
    kit = Kit(Media, key=ID)
    kit.ask(Begin(owner="ann", size=size, made_max=50, unfinished_s=3600.0, **fields))
    return kit


def receive(kit: Kit[Media], offset: int, *sizes: int, user: str = "ann") -> Any:
    parts = [Part(f"{ID}/parts/{offset + number}", size) for number, size in enumerate(sizes)]
    return ask(kit, Receive(offset=offset, parts=parts), user=user)


def heard(kit: Kit[Media], number: int, result: Any) -> None:
    """What became of the job that was started as that one."""
    started = kit.started[number]
    kit.answered(Told(f"job:{started.row.id}", Delete(), about=started.about), result)


def undelivered(kit: Kit[Media], number: int, name: str) -> None:
    started = kit.started[number]
    kit.undelivered(Told(f"job:{started.row.id}", Delete(), about=started.about), name)


def checking() -> Kit[Media]:
    kit = begun(digest="ab" * 32, said="image/jpeg")
    receive(kit, 0, 4, 6)
    return kit


def working() -> Kit[Media]:
    kit = checking()
    heard(kit, 0, Found(ORIGINAL))
    return kit


def ready() -> Kit[Media]:
    kit = working()
    render = next(number for number, one in enumerate(kit.started) if isinstance(one.job, Render))
    heard(kit, render, Rendered([THUMB]))
    return kit


def cleaned(kit: Kit[Media]) -> list[Clean]:
    return [one.job for one in kit.started if isinstance(one.job, Clean)]


ALL, PARTS = Clean(media=ID), Clean(media=ID, parts_only=True)


def settled(kit: Kit[Media]) -> list[int]:
    return [one.message.size for one in kit.told if isinstance(one.message, Settle) and one.entity == "uploads:ann"]


def test_it_grows_where_it_ends_and_nowhere_else() -> None:
    kit = begun()
    assert receive(kit, 0, 4).offset == 4
    for wrong in (0, 3, 5):
        with pytest.raises(Refused, match=r"media\.offset: it goes on at 4") as refused:
            receive(kit, wrong, 1)
        assert refused.value.status == 409
    with pytest.raises(Refused, match=r"media\.too_long") as refused:
        receive(kit, 4, 7)
    assert refused.value.status == 413
    assert ask(kit, HowFar(), user="ann").offset == 4
    assert kit.view()["offset"] == 4 and kit.publications[-1] == {"type": "media.received", "offset": 4}
    kit.restart()
    kit.restart(from_snapshot=True)
    assert receive(kit, 4, 6).state == "checking"
    with pytest.raises(Refused, match=r"media\.complete"):
        receive(kit, 10, 1)


def test_one_that_is_begun_again_goes_on() -> None:
    kit = begun()
    receive(kit, 0, 4)
    kit.ask(Begin(owner="ann", size=10, made_max=50, unfinished_s=3600.0))
    assert ask(kit, HowFar(), user="ann").offset == 4
    with pytest.raises(Refused, match=r"media\.not_yours"):
        kit.ask(Begin(owner="bob", size=10, made_max=50, unfinished_s=3600.0))
    with pytest.raises(Refused, match=r"media\.not_found"):
        Kit(Media, key="../x").ask(Begin(owner="ann", size=10, made_max=50, unfinished_s=3600.0))


@pytest.mark.bound("parts of an upload")
def test_an_upload_that_comes_in_too_many_parts_is_refused() -> None:
    kit = begun(size=10 * PARTS_MAX)
    receive(kit, 0, *[1] * PARTS_MAX)
    with pytest.raises(Refused, match=r"media\.too_many_parts"):
        receive(kit, PARTS_MAX, 1)


def test_a_whole_one_is_looked_at_then_worked_on_then_ready() -> None:
    kit = checking()
    check = kit.started[0]
    parts = [f"{ID}/parts/0", f"{ID}/parts/1"]
    assert check.job == Check(media=ID, parts=parts, size=10, digest="ab" * 32, said="image/jpeg")
    assert b'"by":"ann"' in (check.row.options or b"") and b"ann" not in check.row.partition.encode()
    heard(kit, 0, Found(ORIGINAL, seconds=2.0))
    assert kit.started[1].job == Render(media=ID, original=ORIGINAL, seconds=2.0, made_max=50)
    assert kit.view()["state"] == "working" and cleaned(kit) == [PARTS]
    heard(kit, 1, Rendered([THUMB]))
    view = kit.view()
    assert view["state"] == "ready" and [one["name"] for one in view["renditions"]] == ["thumb"]
    assert settled(kit) == [13]
    shown = [one["type"] for one in kit.publications]
    assert shown == ["media.begun", "media.received", "media.uploaded", "media.checked", "media.ready"]
    assert not any("object" in str(one) or "/parts/" in str(one) for one in kit.publications)
    kit.restart()
    kit.restart(from_snapshot=True)


def test_what_a_job_finds_wrong_is_why_it_is_refused() -> None:
    kit = checking()
    heard(kit, 0, Found(refused="media.checksum", detail="another one"))
    assert (kit.view()["state"], kit.view()["reason"]) == ("refused", "media.checksum")
    assert settled(kit) == [0] and cleaned(kit) == [ALL, ALL], "and what is on its way yet, later"
    assert kit.started[-1].row.due_ms - kit.started[-1].row.added_ms == int(actor.LATE_S * 1000)
    kit = working()
    heard(kit, 1, Rendered(refused="media.damaged", detail="cut off"))
    assert kit.view()["reason"] == "media.damaged" and settled(kit) == [0]


def test_one_whose_job_was_cancelled_is_refused() -> None:
    kit = checking()
    undelivered(kit, 0, "job.cancelled")
    assert kit.view()["reason"] == "media.cancelled" and cleaned(kit) == [ALL, ALL]


def test_a_job_that_has_failed_takes_no_file_with_it_and_it_may_be_tried_again() -> None:
    kit = checking()
    undelivered(kit, 0, "job.failed")
    assert kit.view()["state"] == "failed" and cleaned(kit) == []
    assert settled(kit) == [60], "its room is kept, and it is in no other's way"
    with pytest.raises(Refused, match=r"media\.not_yours"):
        kit.ask(TryAgain(), user="bob")
    kit.restart(from_snapshot=True)
    kit.ask(TryAgain(), user="ann")
    assert kit.started[1].job == kit.started[0].job and kit.view()["state"] == "checking"
    with pytest.raises(Refused, match=r"media\.not_failed"):
        kit.ask(TryAgain(), user="ann")
    heard(kit, 0, Found(refused="media.damaged"))
    assert kit.view()["state"] == "checking", "the job before is none of its own any more"
    heard(kit, 1, Found(ORIGINAL))
    render = next(number for number, one in enumerate(kit.started) if isinstance(one.job, Render))
    undelivered(kit, render, "job.failed")
    assert kit.view()["state"] == "failed" and cleaned(kit) == [PARTS]
    kit.ask(TryAgain(), user="ops", roles=("service",))
    assert kit.started[-1].job == kit.started[render].job
    heard(kit, len(kit.started) - 1, Rendered([THUMB]))
    assert kit.view()["state"] == "ready" and settled(kit)[-1] == 13


def test_one_that_has_failed_is_kept_for_a_week() -> None:
    kit = checking()
    kit.advance(3_000)
    undelivered(kit, 0, "job.failed")
    kit.advance(state.FAILED_S - 60)
    assert kit.view()["state"] == "failed"
    kit.advance(120)
    assert kit.view()["state"] == "deleted" and cleaned(kit)[:2] == [ALL, ALL] and settled(kit)[-1] == 0


def test_what_was_made_is_never_more_than_there_is_room_for() -> None:
    kit = working()
    heard(kit, 1, Rendered([replace(THUMB, size=51)]))
    assert kit.view()["reason"] == "media.too_heavy" and settled(kit) == [0]


def test_what_is_late_takes_nothing_of_what_is_ready() -> None:
    kit = ready()
    before = len(kit.started)
    heard(kit, 0, Found(ORIGINAL))
    undelivered(kit, 1, "job.failed")
    assert kit.view()["state"] == "ready" and len(kit.started) == before


def test_who_watches_what_is_public_hears_nothing_of_its_owner() -> None:
    kit = begun(name="ann's passport.jpg", digest="ab" * 32)
    receive(kit, 0, 4, 6)
    heard(kit, 0, Found(ORIGINAL))
    heard(kit, 1, Rendered([THUMB]))
    kit.ask(Publish(), user="ann")
    kit.watch(user="bob")
    shown = str((kit.view(), kit.publications))
    assert "ann" not in shown and "passport" not in shown and "ab" * 32 not in shown
    assert kit.publications[0] == {"type": "media.begun", "size": 10}


def test_an_upload_that_grows_no_more_is_deleted_and_one_that_grows_is_not() -> None:
    kit = begun()
    kit.advance(3000)
    receive(kit, 0, 4)
    kit.advance(3000)
    assert ask(kit, HowFar(), user="ann").offset == 4
    kit.advance(700)
    assert kit.publications[-1] == {"type": "media.deleted", "reason": "expired"}
    assert cleaned(kit) == [ALL, ALL] and settled(kit) == [0]
    with pytest.raises(Refused, match=r"media\.gone") as refused:
        receive(kit, 4, 6)
    assert refused.value.status == 410


def test_a_whole_one_does_not_expire() -> None:
    kit = ready()
    kit.advance(1_000_000)
    assert kit.view()["state"] == "ready"


def test_deleting_takes_its_files_with_it_once_now_and_once_when_nobody_can_write_any_more() -> None:
    kit = ready()
    before = len(kit.started)
    kit.ask(Delete(), user="ann")
    rows = [one.row for one in kit.started[before:]]
    assert [one.due_ms - one.added_ms for one in rows] == [0, int(actor.LATE_S * 1000)]
    assert cleaned(kit)[-2:] == [ALL, ALL] and settled(kit)[-1] == 0
    assert kit.view()["renditions"] == [] if "renditions" in kit.view() else True
    kit.ask(Delete(), user="ann")
    assert len(kit.started) == before + 2, "again is no harm"


def test_a_job_that_ends_after_it_was_deleted_has_what_it_wrote_deleted_too() -> None:
    kit = working()
    kit.ask(Delete(), user="ann")
    assert kit.told[-1] == Told(f"job:{kit.started[1].row.id}", Cancel(reason="deleted"), durable=True)
    before = len(cleaned(kit))
    heard(kit, 1, Rendered([THUMB]))
    assert kit.view()["state"] == "deleted" and len(cleaned(kit)) == before + 1


def test_the_result_of_a_job_before_is_passed_over() -> None:
    kit = working()
    heard(kit, 0, Found(refused="media.damaged"))
    assert kit.view()["state"] == "working"


def test_who_may_see_which_file() -> None:
    kit = ready()

    def may(user: str, name: str, *, roles: tuple[str, ...] = (), to_share: bool = False) -> bool:
        try:
            ask(kit, Find(name=name, to_share=to_share), user=user, roles=roles)
        except Refused as refused:
            assert refused.name in ("media.not_yours", "unauthenticated")
            return False
        return True

    for user, roles, may_it in (("ann", (), True), ("bob", (), False), ("", (), False), ("ops", ("service",), True)):
        assert may(user, "thumb", roles=roles) is may_it
        assert may(user, "original", roles=roles) is may_it
    kit.ask(Publish(), user="ann")
    assert may("bob", "thumb") and may("", "thumb") and ask(kit, Find(name="thumb"), user="").is_public
    assert not may("bob", "original") and not may("bob", "thumb", to_share=True), "a link is its owner's to make"
    assert may("ann", "thumb", to_share=True)
    with pytest.raises(Refused, match=r"media\.no_such_file"):
        ask(kit, Find(name="huge"), user="ann")
    commands: list[Ask[Any]] = [Publish(public=False), Delete(), HowFar(), Receive(offset=0, parts=[])]
    for command in commands:
        with pytest.raises(Refused, match=r"media\.not_yours"):
            ask(kit, command, user="bob")


def test_a_file_is_not_there_before_it_is_ready_nor_after_it_is_gone() -> None:
    kit = working()
    with pytest.raises(Refused, match=r"media\.not_ready"):
        ask(kit, Find(name="original"), user="ann")
    kit.ask(Delete(), user="ann")
    commands: list[Ask[Any]] = [Find(name="original"), Publish()]
    for command in commands:
        with pytest.raises(Refused, match=r"media\.gone"):
            ask(kit, command, user="ann")
    with pytest.raises(Refused, match=r"media\.not_found"):
        ask(Kit(Media, key=ID), Find(name="original"), user="ann")


def test_who_watches_what_is_public_no_more_is_let_go() -> None:
    kit = ready()
    with pytest.raises(Refused, match=r"media\.not_yours"):
        kit.watch(user="bob")
    kit.ask(Publish(), user="ann")
    kit.watch(user="bob")
    kit.ask(Publish(public=False), user="ann")
    (kick,) = kit.kicked
    assert kick.code == 2100 and kick.but == {"ann"} and "service" in kick.but_roles
    with pytest.raises(Refused, match=r"media\.not_yours"):
        kit.watch(user="bob")


def test_how_far_its_job_is_is_shown_while_somebody_watches() -> None:
    kit = checking()
    shares = [0.25, 0.25, 0.5]

    def answer(asked: Look) -> Looked:
        assert asked.id == kit.started[0].row.id
        return Looked(Standing(state="active", share=shares.pop(0), note="looking"))

    kit.when_asked("queue:media", answer)
    kit.advance(10)
    assert kit.asked == [], "nobody looks"
    kit.watch(user="ann")
    kit.advance(3.5)
    assert [one["share"] for one in kit.ephemerals] == [0.25, 0.5], "what is new of it"
    kit.unwatch(client=kit.audience[0].client)
    kit.advance(10)
    assert shares == []
