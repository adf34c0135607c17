"""The auction of docs/guides/auction.md on a real server: killed while all bid, and bought at in Chromium.

Every bid has an idempotency key and is sent again, under that key, until it is decided. Afterwards every acknowledged
bid is in the history once, and all wallets together hold what was deposited.
"""

import asyncio
import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from centrifuge import CentrifugeError

from tests.docs.test_tutorial import AUCTION, AUCTION_PAGE, write_blocks
from tests.e2e.javascript import JavaScript
from tests.e2e.sdk import connected, run
from tests.e2e.server import Server, wait_until

DEPOSIT = 1_000_000
BIDDERS = ("ann", "bob", "cat")  # over HTTP
SOCKET_BIDDER = "dan"
BIDS_EACH = 40
KILL_AT = 60  # acknowledged bids
GIVE_UP_S = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("auction")
    names = write_blocks("auction.md", path)
    assert set(names) >= {*AUCTION, *AUCTION_PAGE}
    return path


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Server]:
    server = Server(cwd=folder, GREENROOM_ENTITIES="wallet,auction,settlement", GREENROOM_STATIC="page")
    try:
        server.start()
        yield server
    finally:
        print(server.log()[-20_000:])
        server.remove()


@dataclass
class Tally:
    """Which bids were acknowledged: their numbers, by who made them and for how much."""

    strike: Callable[[], None]
    numbers: dict[tuple[str, int], int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    struck: bool = False

    def acknowledge(self, user: str, cents: int, number: int) -> None:
        with self.lock:
            assert (user, cents) not in self.numbers
            self.numbers[user, cents] = number
            if len(self.numbers) >= KILL_AT and not self.struck:
                self.struck = True
                self.strike()


def amounts(bidder: int) -> list[int]:
    """Rising, and of no two bidders the same."""
    return [1_000 + 10 * turn + bidder for turn in range(BIDS_EACH)]


def bid_by_http(server: Server, lot: str, bidder: int, tally: Tally) -> None:
    user, deadline = BIDDERS[bidder], time.monotonic() + GIVE_UP_S
    for cents in amounts(bidder):
        while True:
            assert time.monotonic() < deadline, f"{user}'s bid of {cents} is not decided"
            try:
                key = {"Idempotency-Key": f"{user} {cents}"}
                answer = server.request("POST", f"/api/auction/{lot}/bid", {"cents": cents}, user=user, headers=key)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)  # it is down
                continue
            if answer.status == 200:
                tally.acknowledge(user, cents, answer.body["number"])
            elif answer.body["error"]["temporary"]:
                time.sleep(0.05)
                continue
            else:
                assert answer.body["error"]["name"] == "auction.too_low", answer
            break


def bid_by_socket(server: Server, lot: str, tally: Tally) -> None:
    async def scenario() -> None:
        deadline = time.monotonic() + GIVE_UP_S
        async with connected(server, SOCKET_BIDDER) as client:
            for cents in amounts(len(BIDDERS)):
                while True:
                    assert time.monotonic() < deadline, f"{SOCKET_BIDDER}'s bid of {cents} is not decided"
                    try:
                        await client.ready()
                        bid = {"cents": cents, "idempotency_key": str(cents)}
                        reply = await client.rpc(f"auction:{lot}/bid", bid)
                    except CentrifugeError as error:
                        if "auction.too_low" in str(error):
                            break
                        await asyncio.sleep(0.05)
                        continue
                    tally.acknowledge(SOCKET_BIDDER, cents, reply.data["number"])
                    break

    run(scenario)


def view(server: Server, kind: str, key: str, user: str) -> Any:
    answer = server.request("GET", f"/api/{kind}/{key}", user=user)
    assert answer.status == 200, answer
    return answer.body["view"]


def opened(server: Server, lot: str, users: tuple[str, ...], *, seconds: int) -> None:
    for user in users:
        key = {"Idempotency-Key": lot}
        server.command(f"wallet:{user}", "deposit", {"cents": DEPOSIT}, user=user, headers=key)
    asked = {"lot": f"The {lot}", "reserve_cents": 1_100, "seconds": seconds}
    server.command(f"auction:{lot}", "open", asked, user="sue")


def test_a_kill_while_all_bid_loses_no_bid_and_no_cent(running: Server) -> None:
    lot, users = "lamp", (*BIDDERS, SOCKET_BIDDER)
    opened(running, lot, users, seconds=20)
    tally = Tally(strike=running.kill_nowait)
    with ThreadPoolExecutor(len(users)) as pool:
        bidding = [pool.submit(bid_by_http, running, lot, bidder, tally) for bidder in range(len(BIDDERS))]
        bidding.append(pool.submit(bid_by_socket, running, lot, tally))
        wait_until(lambda: tally.struck and not running.running, "the kill", within_s=GIVE_UP_S)
        running.restart(kill=True)
        for one in bidding:
            one.result()
    assert SOCKET_BIDDER in {user for user, _ in tally.numbers}
    wait_until(lambda: view(running, "auction", lot, "ann")["status"] == "done", "the sale", within_s=60.0)

    history = running.history(f"auction:{lot}")
    made = [(one["data"]["user"], one["data"]["cents"]) for one in history if one["data"]["type"] == "auction.bid_made"]
    assert set(Counter(made).values()) == {1}
    found = {one["offset"]: (one["data"]["user"], one["data"]["cents"]) for one in history if "cents" in one["data"]}
    assert {number: bid for bid, number in tally.numbers.items()}.items() <= found.items()
    assert "reserve_cents" not in str(history)

    auction = view(running, "auction", lot, "ann")
    best = auction["best"][0]
    assert (auction["owner"], best["cents"]) == (best["user"], max(cents for _, cents in made))
    wait_until(lambda: view(running, "settlement", lot, "sue")["status"] == "done", "the settlement")
    wait_until(lambda: not held(running, users), "holds to be released")
    money = {user: view(running, "wallet", user, user)["free"] for user in (*users, "sue")}
    assert money["sue"] == best["cents"]
    assert money[best["user"]] == DEPOSIT - best["cents"]
    assert sum(money.values()) == DEPOSIT * len(users)


def held(server: Server, users: tuple[str, ...]) -> list[Any]:
    wallets = [view(server, "wallet", user, user) for user in users]
    return [wallet for wallet in wallets if wallet["held"] or wallet["captured"]]


def test_its_page_is_served(running: Server) -> None:
    page = running.request("GET", "/?auction=lamp&user=ann", user=None)
    assert page.status == 200 and b"auction.js" in page.body
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    script = running.request("GET", "/auction.js", user=None)
    assert script.status == 200 and script.headers["content-type"].startswith("text/javascript")
    assert int(script.headers["content-length"]) == len(script.body)
    known = running.request("GET", "/auction.js", user=None, headers={"If-None-Match": script.headers["etag"]})
    assert (known.status, known.body) == (304, b"")
    head = running.request("HEAD", "/auction.js", user=None)
    assert (head.status, head.headers["content-length"], head.body) == (200, script.headers["content-length"], b"")
    assert running.request("GET", "/../auction.py", user=None).status == 404


def test_two_bid_on_its_page(chromium: JavaScript, running: Server) -> None:
    opened(running, "vase", ("eve", "fay"), seconds=60)
    asked = {"restart the server": lambda: running.restart(kill=True)}
    chromium.run("two_bid_at_an_auction", {"url": running.url, "auction": "vase", "users": ["eve", "fay"]}, asked)
    best = view(running, "auction", "vase", "eve")["best"]
    assert [(one["user"], one["cents"]) for one in best] == [("fay", 1_500), ("eve", 1_200)]
