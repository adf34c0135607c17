"""The checkout of docs/guides/sagas.md on a real server that is killed, with SIGKILL, in the middle of every step.

The entities kill their own process as they take a message that the test has named, so that each kill is where it is
meant to be: before a step is committed, or behind it and before the saga knows.
"""

import http.client
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.test_tutorial import write_blocks
from tests.e2e.server import Server, wait_until

SUPPLIED, DEPOSITED, PRICE = 5, 600, 500
DEADLY = """
import os
import signal
from pathlib import Path
from typing import Any

import checkout
import shop

FATAL = Path("fatal")  # the message that kills, once


class Deadly:
    def handle(self, message: Any) -> Any:
        name = f"{message.__struct_config__.tag} {getattr(message, 'about', '')}".strip()
        if FATAL.exists() and FATAL.read_text() == name:
            FATAL.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().handle(message)


class Stock(Deadly, shop.Stock):
    pass


class Wallet(Deadly, shop.Wallet):
    pass


class Order(Deadly, shop.Order):
    pass


class Checkout(Deadly, checkout.Checkout):
    pass
"""
STEPS = {"reserve": "stock.reserve", "charge": "wallet.charge", "confirm": "order.confirm"}
FORWARDS = [moment for name, tag in STEPS.items() for moment in (tag, f"actor.answered do:{name}")]
BACK = ["wallet.refund", "actor.answered undo:charge", "stock.release", "actor.answered undo:reserve"]
MOMENTS = [
    *(("", moment) for moment in FORWARDS),
    *((step, f"actor.undelivered do:{step}") for step in STEPS),
    *(("confirm", moment) for moment in BACK),
]


@dataclass
class Purchase:
    """One purchase with a stock, a wallet and an order of its own."""

    server: Server
    name: str

    @property
    def saga(self) -> str:
        return f"checkout:{self.name}"

    def prepare(self, failing: str) -> None:
        self.server.command(f"stock:{self.name}", "supply", {"count": 1 if failing == "reserve" else SUPPLIED})
        self.server.command(f"wallet:{self.name}", "deposit", {"cents": 499 if failing == "charge" else DEPOSITED})
        if failing == "confirm":
            self.server.command(f"order:{self.name}", "cancel")

    def buy(self) -> None:
        self.server.command(self.saga, "buy", {"article": self.name, "count": 2}, user=self.name)

    def status(self) -> str:
        answer = self.server.request("GET", f"/api/checkout/{self.name}", user=self.name)
        assert answer.status == 200, answer
        return str(answer.body["view"]["status"])

    def facts(self, entity: str) -> list[str]:
        types = [one["data"]["type"] for one in self.server.history(f"{entity}:{self.name}", user=self.name)]
        return [one for one in types if one != "actor.noted"]

    def check(self, failing: str) -> None:
        """All of it, once, or none of it; and every book and cent is where the events say."""
        wait_until(lambda: self.status() in ("done", "undone", "stuck"), "the saga to end", within_s=60.0)
        bought = not failing
        assert self.status() == ("done" if bought else "undone")
        reserved, paid = failing != "reserve", failing not in ("reserve", "charge")
        undone = ["stock.released"], ["wallet.refunded"]
        assert self.facts("stock") == ["stock.supplied"] + ["stock.reserved"] * reserved + undone[0] * (
            reserved and not bought
        )
        assert self.facts("wallet") == ["wallet.deposited"] + ["wallet.paid"] * paid + undone[1] * (paid and not bought)
        assert self.facts("order") == (
            ["order.confirmed"] if bought else ["order.cancelled"] if failing == "confirm" else []
        )
        stock = self.server.request("GET", f"/api/stock/{self.name}").body["view"]
        wallet = self.server.request("GET", f"/api/wallet/{self.name}").body["view"]
        assert stock["reserved"] == ({self.name: 2} if bought else {})
        assert stock["free"] + sum(stock["reserved"].values()) == (1 if failing == "reserve" else SUPPLIED)
        assert wallet["paid"] == ({self.name: PRICE} if bought else {})
        assert wallet["cents"] + sum(wallet["paid"].values()) == (499 if failing == "charge" else DEPOSITED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop")
    write_blocks("sagas.md", path)
    (path / "deadly.py").write_text(DEADLY)
    return path


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Server]:
    server = Server(cwd=folder, GREENROOM_ENTITIES="deadly")
    try:
        server.start()
        yield server
    finally:
        print(server.log()[-20_000:])
        server.remove()


def a_name(number: int) -> str:
    return "book" + "".join("abcdefghij"[int(digit)] for digit in str(number))  # an article has letters only


@pytest.mark.parametrize("failing", ["", *STEPS], ids=["none", *STEPS])
def test_each_step_fails_in_turn(running: Server, failing: str) -> None:
    purchase = Purchase(running, a_name(100 + ["", *STEPS].index(failing)))
    purchase.prepare(failing)
    purchase.buy()
    purchase.check(failing)


@pytest.mark.parametrize(("failing", "moment"), MOMENTS)
def test_a_kill_at_every_step_leaves_it_consistent(running: Server, folder: Path, failing: str, moment: str) -> None:
    purchase = Purchase(running, a_name(MOMENTS.index((failing, moment))))
    purchase.prepare(failing)
    (folder / "fatal").write_text(moment)
    with suppress(OSError, http.client.HTTPException):  # the kill may come before the reply has left
        purchase.buy()
    wait_until(lambda: not running.running, f"{moment} to kill the server")
    assert not (folder / "fatal").exists()
    running.restart(kill=True)
    purchase.check(failing)
