"""A saga whose plan has all parts, to try things on."""

from typing import Any

from greenroom import Ask, Done, Job, Message, Retry, Saga, SoFar, Step, Tell, parallel, race, wait_for
from greenroom.actors.model.effects import Told
from greenroom.testing import Kit


class Do(Ask[Done], tag="stall.do"):
    step: str
    of: str  # the key of the saga


class Undo(Ask[Done], tag="stall.undo"):
    step: str


class Order(Ask[Done], tag="market.order"):
    what: str = "apples"


class Approve(Ask[Done], tag="market.approve"):
    note: str = ""


class Ring(Tell, tag="market.ring"):
    pass


class Pack(Job, queue="packing", tag="job.pack"):
    what: str

    async def run(self, work: Any) -> str:
        return "packed"


def step(name: str, **how: Any) -> Step[Any]:
    def do(so_far: SoFar[Order]) -> tuple[str, Message]:
        return f"stall:{name}", Do(step=name, of=so_far.key_of("pay"))

    def undo(so_far: SoFar[Order]) -> Message:
        return Undo(step=name)

    made: dict[str, Any] = {"name": name, "do": do, "undo": undo, "deadline_s": 10.0} | how
    return Step(**made)


def pack(so_far: SoFar[Order]) -> Job:
    return Pack(what=so_far.input.what)


def unpack(so_far: SoFar[Order]) -> tuple[str, Message]:
    return "stall:pack", Undo(step="pack")


def saga(*plan: Any, **attributes: Any) -> type[Saga[Any]]:
    class Market(Saga[Order]):
        kind = "market"
        starts = "users"
        steps = plan
        deadline_s = attributes.get("deadline_s")

        def may_tell(self, message: Any) -> None:
            if not self.principal.system:
                self.require_user()

    return Market


ALL = saga(
    step("pay"),
    parallel(step("pears"), (step("apples"), step("plums"))),
    race(step("van"), (step("bike"), step("lift"))),
    wait_for(Approve, within=60.0, sent_by="users"),
    wait_for(Ring, within=20.0, otherwise=step("note", undo=None)),
    Step(name="pack", do=pack, undo=unpack, deadline_s=30.0),
    step("bill", retry=Retry(attempts=3, first_s=2.0, max_s=60.0)),
)


class Stalls:
    """Whoever the saga tells. Each name is answered, or refused, once it is named here."""

    def __init__(self, market: type[Saga[Any]] = ALL, *, key: str = "1") -> None:
        self.kit: Kit[Any] = Kit(market, key=key)
        self.kit.ask(Order(), user="ann")

    def told(self, name: str, phase: str = "do") -> Told:
        """The newest of what was told of that step."""
        found = [told for told in self.kit.told if told.about == f"{phase}:{name}"]
        found += [
            Told(f"job:{one.id}", Undo(step=name), one.about)
            for one in self.kit.started
            if one.about == f"{phase}:{name}"
        ]
        assert found, f"{phase}:{name} was not told"
        return found[-1]

    def done(self, *names: str, reply: Any = None) -> None:
        for name in names:
            self.kit.answered(self.told(name), reply)

    def undone(self, *names: str) -> None:
        for name in names:
            self.kit.answered(self.told(name, "undo"))

    def all_done(self) -> None:
        """Of ALL: the van is first, and nobody rings."""
        self.done("pay", "pears", "apples", "plums", "van")
        self.undone("bike")
        self.kit.ask(Approve(), user="ann")
        self.kit.advance(20.0)
        self.done("note")
        self.done("pack", reply="packed")
        self.done("bill")
        assert self.status == "done"

    def refused(self, name: str, phase: str = "do", refusal: str = "stall.no") -> None:
        self.kit.undelivered(self.told(name, phase), refusal)

    @property
    def status(self) -> str:
        self.kit.restart()
        self.kit.restart(from_snapshot=True)
        return str(self.kit.view()["status"])

    def of(self, name: str) -> str:
        return str(next(step["status"] for step in self.kit.view()["steps"] if step["name"] == name))

    @property
    def abouts(self) -> list[str]:
        return [told.about for told in self.kit.told]
