"""A world is filled over HTTP, a phase after another, as many commands at once as there are threads.

Each command has an idempotency key by its name in the world. So what was ended on the way goes on where it was, and
what is run again changes nothing, for as long as the server remembers keys (a day).
"""

import http.client
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from threading import Lock, Thread
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct, field

from greenroom.supervisors.cli.demo.world import Act
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble
from greenroom.supervisors.cli.terminal.printable import printable

ANSWER_S: Final = 35.0
TRIES, AGAIN_S = 8, 0.25  # what is only for now, or on its way between two entities; the second waits twice as long
NOT_YET: Final = frozenset(("post.not_found", "thread.not_found", "follows.not_a_follower"))
NOT_OURS: Final = frozenset(("unknown_kind", "unknown_command"))

Token = Callable[[str], str]  # of a user


class Refusal(Exception):
    """The server said no; the text is the name of the rule."""


class Filled(Struct):
    """What was done, and what was refused by which rule."""

    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    posts: dict[int, str] = field(default_factory=dict)  # ids, by their places in the world
    comments: dict[str, int] = field(default_factory=dict)  # offsets, by the names of their acts


class Filling:
    """Of one server."""

    def __init__(self, url: str, token: Token, *, key: str, at_once: int) -> None:
        """`key`: the beginning of each idempotency key, another one for each world."""
        self._url = urlsplit(url.rstrip("/"))
        self._token = token
        self._key = key
        self._at_once = at_once
        self.filled = Filled()
        self._troubles: list[BaseException] = []

    def phase(self, acts: Sequence[Act], told: Callable[[int], None]) -> None:
        """Do them all, in any order. `told` is told how many are done. Raises: Trouble; then others were done, too."""
        left, lock = iter(enumerate(acts)), Lock()
        done = 0

        def work() -> None:
            nonlocal done
            try:
                with closing(Asking(self._url.scheme, self._url.netloc, self._url.path)) as asking:
                    for number, act in _locked(left, lock):
                        self._do(number, act, asking)
                        with lock:
                            done += 1
                            told(done)
                        if self._troubles:
                            return
            except BaseException as trouble:
                self._troubles.append(trouble)

        threads = [Thread(target=work, daemon=True) for _ in range(min(self._at_once, len(acts)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._troubles:
            raise self._troubles[0]

    def _do(self, number: int, act: Act, asking: "Asking") -> None:
        filled = self.filled
        fields, key = dict(act.fields), act.key
        if act.post is not None:
            post = filled.posts.get(act.post)
            if post is None:
                return self._refused("its post was refused")
            if act.kind == "feed":
                fields["share_of"] = post
            else:
                key = post
        if act.comment:
            if act.comment not in filled.comments:
                return self._refused("its comment was refused")
            fields["reply_to"] = filled.comments[act.comment]
        path = f"/api/{act.kind}/{quote(key, safe='')}/{act.command}"
        headers = {"Authorization": f"Bearer {self._token(act.user)}", "Idempotency-Key": f"{self._key} {act.name}"}
        try:
            answer = asking.post(path, fields, headers)
        except Refusal as refusal:
            return self._refused(str(refusal))
        filled.done[f"{act.kind}.{act.command}"] += 1
        if act.kind == "feed" and act.post is None:
            filled.posts[number] = answer["id"]
        elif act.kind == "thread":
            filled.comments[act.name] = answer["offset"]

    def _refused(self, rule: str) -> None:
        self.filled.refused[rule] += 1


class Asking:
    """One connection, one command at a time."""

    def __init__(self, scheme: str, netloc: str, prefix: str) -> None:
        connection = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
        self._connection = connection(netloc, timeout=ANSWER_S)
        self._prefix = prefix

    def post(self, path: str, fields: dict[str, Any], headers: dict[str, str]) -> Any:
        """Raises: Refusal, Trouble."""
        body = msgspec.json.encode(fields)
        sent = {"Content-Type": "application/json", "X-Request-Timeout": "30", **headers}
        for again in range(TRIES):
            status, answer = self._once(path, body, sent)
            if status == 200:
                return answer
            error = answer.get("error", {}) if isinstance(answer, dict) else {}
            name = str(error.get("name", ""))
            is_temporary = bool(error.get("temporary")) or name in NOT_YET
            if not is_temporary or again == TRIES - 1:
                raise _no(status, name, str(error.get("message", "the answer is none of Greenroom's")))
            time.sleep(AGAIN_S * 2**again)
        raise AssertionError("it is asked once at least")

    def close(self) -> None:
        self._connection.close()

    def _once(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        """Over a connection that is kept; what was asked twice is done once. Raises: Trouble."""
        for is_last in (False, True):
            try:
                self._connection.request("POST", f"{self._prefix}{path}", body, headers)
                with self._connection.getresponse() as answer:
                    return answer.status, msgspec.json.decode(answer.read())
            except msgspec.MsgspecError:
                return 0, None
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if is_last:
                    raise Trouble(f"the server is out of reach: {printable(str(error) or repr(error))}") from None
        raise AssertionError("it is tried twice")


def _no(status: int, name: str, message: str) -> Exception:
    if name in NOT_OURS:
        return Trouble(
            f"the server has no people and posts: start it with GREENROOM_ENTITIES=greenroom.social ({name})"
        )
    if status == 401 or not name:
        return Trouble(printable(f"the server does not let us in: {status} {name} {message}"), status=BAD_USAGE)
    return Refusal(name)


def _locked(left: Iterator[tuple[int, Act]], lock: Lock) -> Iterator[tuple[int, Act]]:
    while True:
        with lock:
            one = next(left, None)
        if one is None:
            return
        yield one
