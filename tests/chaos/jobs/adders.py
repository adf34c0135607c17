"""The load: threads that add jobs over HTTP, or have an entity start some, one message after the other.

Each message has an idempotency key and is sent again under it until it is answered.
"""

import http.client
import json
import random
import threading
import time
from collections import Counter
from typing import Any

from tests.chaos.jobs.chores import CLASSES, QUEUE

THREADS = 4
HTTP_S = 15.0
PAUSE_S = (0.05, 1.0)  # after a failure: first and longest
AT_ONCE = 4  # jobs that one message adds
LONG = 0.25  # share of the jobs that take a while, so that workers have some in hand when they end
TAKES_S = (0.02, 2.5)


class Adders:
    """Half of them add by themselves, the others through foremen."""

    def __init__(self, address: tuple[str, int], token: str, rate: float, seed: int) -> None:
        """`rate`: jobs a second, at most."""
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._rate = rate
        self._seed = seed
        self._ended = threading.Event()
        self._give_up_at = float("inf")
        self._threads = [threading.Thread(target=self._add_on, args=(n,), daemon=True) for n in range(THREADS)]
        self.acknowledged: list[str] = []
        self.refused: list[str] = []
        self.errors: Counter[str] = Counter()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self, recover_s: float) -> bool:
        """No more are added. Has everything been answered?"""
        self._give_up_at = time.monotonic() + recover_s
        self._ended.set()
        for thread in self._threads:
            thread.join(recover_s + HTTP_S)
        return not any(thread.is_alive() for thread in self._threads)

    @staticmethod
    def foremen() -> list[str]:
        return [str(number) for number in range(THREADS) if number % 2]

    def _add_on(self, thread: int) -> None:
        rng = random.Random(self._seed * 1_000 + thread)
        connection = http.client.HTTPConnection(*self._address, timeout=HTTP_S)
        at_once = 1 if thread % 2 else AT_ONCE
        pause_s = THREADS * (1 if thread % 2 else AT_ONCE) / self._rate
        number = 0
        body: dict[str, Any]
        while not self._ended.wait(pause_s):
            number += 1
            if thread % 2:
                path, body = f"/api/foreman/{thread}/place", {"number": number, "takes_s": _takes_s(rng)}
            else:
                tags = [str(rng.choice(CLASSES).__struct_config__.tag) for _ in range(at_once)]
                jobs = [{"job": tag, "arguments": {"takes_s": _takes_s(rng)}} for tag in tags]
                path, body = f"/api/queue/{QUEUE}/add_many", {"jobs": jobs}
            answer = self._ask(connection, path, body, f"{thread}.{number}")
            if answer is not None:
                self.acknowledged += [answer] if isinstance(answer, str) else answer["ids"]
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, path: str, body: Any, key: str) -> Any:
        """The answer; None: it never came."""
        pause_s = PAUSE_S[0]
        while time.monotonic() < self._give_up_at:
            try:
                connection.request("POST", path, json.dumps(body), {**self._headers, "Idempotency-Key": key})
                response = connection.getresponse()
                answer = json.loads(response.read())
            except (OSError, http.client.HTTPException) as error:
                connection.close()  # it connects again by itself
                text = type(error).__name__
            else:
                if response.status == 200:
                    return answer
                text = f"{response.status} {answer['error']['name']}"
                if not answer["error"]["temporary"]:
                    self.refused.append(text)
                    return None
            self.errors[f"HTTP: {text}"] += 1
            time.sleep(pause_s)
            pause_s = min(PAUSE_S[1], pause_s * 2)
        self.refused.append(f"{path} was never answered")
        return None


def _takes_s(rng: random.Random) -> float:
    return TAKES_S[1] if rng.random() < LONG else TAKES_S[0]
