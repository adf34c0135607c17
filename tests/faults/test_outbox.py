"""Killed again and again, a server delivers what was acknowledged: each message once, in order for each pair."""

import contextlib
import http.client
import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from tests.e2e.server import Server, wait_until

CUSTOMERS = 6
ORDERS = 60  # of each customer
KILLS = 4


@pytest.fixture(scope="module")
def shop() -> Iterator[Server]:
    server = Server(GREENROOM_ENTITIES="tests.faults.shop")
    server.start()
    yield server
    server.remove()


class Customer(threading.Thread):
    """Places its orders one after the other, each with its idempotency key until it is acknowledged."""

    def __init__(self, server: Server, entity: str, inventory: str) -> None:
        super().__init__()
        self.entity = entity
        self.acknowledged: list[int] = []
        self._server = server
        self._inventory = inventory
        self._deadline = time.monotonic() + 240

    def run(self) -> None:
        for number in range(ORDERS):
            while not self._place(number):
                assert time.monotonic() < self._deadline
                time.sleep(0.05)
            self.acknowledged.append(number)

    def _place(self, number: int) -> bool:
        fields = {"number": number, "inventory": self._inventory}
        with contextlib.suppress(OSError, http.client.HTTPException):
            path = f"/api/{self.entity.replace(':', '/')}/place"
            headers = {"Idempotency-Key": f"{self.entity} {number}"}
            return self._server.request("POST", path, fields, headers=headers).status == 200
        return False


def wait_for(customers: list[Customer], orders: int) -> None:
    wait_until(lambda: sum(len(one.acknowledged) for one in customers) >= orders, f"{orders} orders", within_s=120)


def data(server: Server, entity: str, event: str) -> list[dict[str, object]]:
    return [one["data"] for one in server.history(entity) if one["data"]["type"] == event]


def test_every_acknowledged_order_is_at_the_inventory_once_and_in_order_over_kills(shop: Server) -> None:
    inventory = "inventory:killed"
    customers = [Customer(shop, f"order:{number}", inventory) for number in range(CUSTOMERS)]
    for customer in customers:
        customer.start()
    everything = CUSTOMERS * ORDERS
    for kill in range(1, KILLS + 1):
        wait_for(customers, kill * everything // (KILLS + 2))
        shop.restart(kill=True)
    for customer in customers:
        customer.join(240)
        assert customer.acknowledged == list(range(ORDERS)), "or it could not place them"

    def confirmed() -> bool:
        return all(len(data(shop, one.entity, "order.confirmed")) >= ORDERS for one in customers)

    wait_until(confirmed, "every order to be confirmed", within_s=60)
    reserved = data(shop, inventory, "inventory.reserved")
    for customer in customers:
        mine = [one["number"] for one in reserved if one["order"] == customer.entity]
        assert mine == list(range(ORDERS)), f"{customer.entity}: once each, in order"
        placed = [one["number"] for one in data(shop, customer.entity, "order.placed")]
        assert placed == list(range(ORDERS)), "the idempotency key, too"
        answers = [(one["number"], one["place"]) for one in data(shop, customer.entity, "order.confirmed")]
        places = {one["number"]: place for place, one in enumerate(reserved, 1) if one["order"] == customer.entity}
        assert answers == list(places.items()), "confirmed once, in order, with the inventory's own answer"
    assert len(reserved) == everything


def test_a_timer_set_before_a_kill_fires_once_after_the_restart(shop: Server) -> None:
    alarm = "alarm:killed"
    shop.command(alarm, "set", {"name": "while down", "after": 0.3})
    shop.command(alarm, "set", {"name": "later", "after": 8.0})
    shop.command(alarm, "set", {"name": "often", "after": 0.3, "every": 1.0})
    os.kill(shop.pid, signal.SIGKILL)
    shop.restart(kill=True)
    began_s = time.time()
    wait_until(lambda: "later" in rings(shop, alarm), "timers to fire", within_s=30)
    shop.restart(kill=True)
    wait_until(lambda: rings(shop, alarm).get("often", [0.0])[-1] > began_s + 12, "more", within_s=60)
    heard = rings(shop, alarm)
    assert (len(heard["while down"]), len(heard["later"])) == (1, 1)
    often = heard["often"]
    gaps_s = {round(later - earlier, 3) for earlier, later in itertools.pairwise(often)}
    assert gaps_s == {1.0}, "every occurrence once, those too that came while nobody ran"
    late_s = [one["at_s"] - one["due_s"] for one in data(shop, alarm, "alarm.rang")]  # type: ignore[operator]
    assert min(late_s) >= -0.002


def rings(server: Server, entity: str) -> dict[str, list[float]]:
    """When each timer was due, as it fired."""
    found: dict[str, list[float]] = {}
    for one in data(server, entity, "alarm.rang"):
        found.setdefault(str(one["name"]), []).append(float(str(one["due_s"])))
    return found
