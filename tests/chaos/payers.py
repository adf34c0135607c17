"""More load, over HTTP: threads that have tills pay one another, one payment after the other.

Every payment has an idempotency key and is asked for again under it until it is acknowledged.
"""

import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass

from bench.load.generators import Link
from tests.chaos.payments import Payment

THREADS = 8
TILLS_EACH = 4
HTTP_S = 15.0  # for an answer; the server's own deadline is 5 s, and it may be stalled for 8
PAUSE_S = (0.05, 1.0)  # after a failure: first and longest


@dataclass(frozen=True)
class PayersPlan:
    address: tuple[str, int]
    rate: float  # payments each second, at most, of all threads
    recover_s: float
    seed: int


def till_keys() -> list[str]:
    return [f"{thread}-{number}" for thread in range(THREADS) for number in range(TILLS_EACH)]


class _Payers:
    def __init__(self, plan: PayersPlan) -> None:
        self._plan = plan
        self._ended = threading.Event()
        self._give_up_at = float("inf")
        self.payments: list[Payment] = []
        self.refused: list[str] = []
        self.errors: Counter[str] = Counter()

    def finish(self) -> None:
        self._give_up_at = time.monotonic() + self._plan.recover_s
        self._ended.set()

    def pay_on(self, thread: int) -> None:
        rng = random.Random(self._plan.seed * 1_000 + thread)
        connection = http.client.HTTPConnection(*self._plan.address, timeout=HTTP_S)
        others = till_keys()
        pause_s = THREADS / self._plan.rate
        made = 0
        while not self._ended.wait(pause_s):
            till = f"{thread}-{made % TILLS_EACH}"
            to = rng.choice([key for key in others if key != till])
            payment = Payment(till, made // TILLS_EACH, to)
            self.payments.append(payment)
            made += 1
            self._pay(connection, payment)
        connection.close()

    def _pay(self, connection: http.client.HTTPConnection, payment: Payment) -> None:
        pause_s = PAUSE_S[0]
        while time.monotonic() < self._give_up_at:
            try:
                connection.request(
                    "POST",
                    f"/api/till/{payment.till}/pay",
                    json.dumps({"number": payment.number, "to": payment.to}),
                    {"X-Greenroom-User": "payer", "Idempotency-Key": f"{payment.till}.{payment.number}"},
                )
                answer = connection.getresponse()
                body = json.loads(answer.read())
            except (OSError, http.client.HTTPException) as error:
                connection.close()  # it connects again by itself
                text = type(error).__name__
            else:
                if answer.status == 200:
                    payment.offset = body["offset"]
                    return
                text = f"{answer.status} {body['error']['name']}"
                if not body["error"]["temporary"]:
                    self.refused.append(text)
                    return
            self.errors[f"HTTP: {text}"] += 1
            time.sleep(pause_s)
            pause_s = min(PAUSE_S[1], pause_s * 2)


def pay(link: Link, plan: PayersPlan) -> None:
    """The process; the script says "go" and, when its faults are over, "finish"."""
    payers = _Payers(plan)
    link.say("connected")
    link.wait("go")
    threads = [threading.Thread(target=payers.pay_on, args=(number,), daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    link.wait("finish")
    payers.finish()
    for thread in threads:
        thread.join(plan.recover_s + HTTP_S + 10.0)
    late = any(thread.is_alive() for thread in threads)
    found = {"payments": payers.payments, "refused": payers.refused, "errors": dict(payers.errors)}
    link.say("done", {**found, "members": [], "downs": {}, "late": late})
