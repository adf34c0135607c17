"""One departure that fails holds up no other."""

from typing import Any

from msgspec import Struct

from greenroom.actors.model.errors import HandlerFailed
from tests.supervisors.kernel.small_kernel import Do, Heard, Log, Note, Slot, kernel, settled

A = "log:a"
B = "log:b"


class Typing(Struct):
    who: str


class Opaque:
    """JSON has no word for it."""


async def test_one_departure_that_fails_holds_up_neither_the_others_nor_the_committer() -> None:
    async with kernel() as run:

        def act(actor: Log) -> str:
            actor.note("x")
            actor.publish(Typing(Opaque()))  # type: ignore[arg-type]
            actor.tell(B, Heard(text="told"))
            return "reply"

        slot = run.send(A, Do(act=act))
        await settled()
        after = run.send(A, Note(text="after"))
        await settled()
        assert (slot.answer, after.answer, run.texts(B)) == ("reply", 2, ["told"])


async def test_a_reply_slot_that_fails_to_take_the_answer_is_told_so() -> None:
    class Picky(Slot):
        def resolve(self, reply: Any, encoded: bytes | None) -> None:
            raise TypeError("can't encode")

    async with kernel() as run:
        slot = run.send(A, Note(text="x"))
        slot.__class__ = Picky
        await settled()
        assert (type(slot.answer), run.texts(A)) == (HandlerFailed, ["x"])
