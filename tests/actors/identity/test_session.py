"""A user's session alone, in the kit."""

import json
from typing import Any

import msgspec
import pytest

from greenroom import SYSTEM, Message, Principal, Refused
from greenroom.actors.identity import Push, Read, Session, SignOut
from greenroom.actors.identity.session import (
    CHANNELS_MAX,
    CONNECTIONS_SHOWN,
    CROWD_S,
    READ_BYTES_MAX,
    SIGNED_OUT,
    STRANGERS_PER_DAY,
)
from greenroom.testing import Kit
from greenroom.transports.auth.tokens import TokenConfig, TokenVerifier
from tests.transports.world import SECRET, token


@pytest.fixture
def session() -> Kit[Session]:
    return Kit(Session, key="ann")


def device(client: str, *, user: str = "ann", issued_at: float = 0.0, connected_at: float = 0.0) -> Principal:
    return Principal(user=user, client=client, issued_at=issued_at, connected_at=connected_at)


def refused(session: Kit[Session], message: Message, name: str, status: int = 403, **who: Any) -> None:
    before = session.offset
    with pytest.raises(Refused) as caught:
        session.tell(message, **who)
    assert (caught.value.name, caught.value.status, session.offset) == (name, status, before)


@pytest.mark.parametrize("command", [Read(channel="room:lobby", offset=1), SignOut(), Push(data=1)])
def test_a_session_is_its_users_and_services_own(session: Kit[Session], command: Message) -> None:
    refused(session, command, "session.not_yours", user="bob")
    refused(session, command, "unauthenticated", 401, user="")
    session.tell(command, user="ann")
    session.tell(command, user="mailer", roles=("service",))
    session.tell(command)


def test_who_may_watch(session: Kit[Session]) -> None:
    session.watch(user="ann")
    session.watch(user="root", roles=("admin",))
    session.watch(principal=SYSTEM)
    with pytest.raises(Refused, match=r"session\.not_yours"):
        session.watch(user="bob")


def test_what_was_read_moves_forward_for_all_devices(session: Kit[Session]) -> None:
    session.ask(Read(channel="room:lobby", offset=7), user="ann")
    session.ask(Read(channel="room:lobby", offset=5), user="ann")
    assert session.publications == [{"type": "session.read", "channel": "room:lobby", "offset": 7}]
    assert session.view()["read"] == {"room:lobby": 7}


def test_the_channel_read_longest_ago_is_forgotten_first(session: Kit[Session]) -> None:
    for number in range(CHANNELS_MAX):
        session.ask(Read(channel=f"room:{number}", offset=1), user="ann")
    session.ask(Read(channel="room:0", offset=2), user="ann")
    session.ask(Read(channel="room:new", offset=1), user="ann")
    assert len(session.state.read) == CHANNELS_MAX
    assert "room:1" not in session.state.read
    assert session.state.read["room:0"] == 2
    session.restart()
    session.restart(from_snapshot=True)


def test_the_view_is_bounded_in_bytes_as_it_is_encoded(session: Kit[Session]) -> None:
    """Controls take six bytes each in JSON. Of what was read the newest is shown."""
    for number in range(CHANNELS_MAX):
        session.ask(Read(channel=f"{number:03}" + "\x01" * 297, offset=number), user="ann")
    read = session.view()["read"]
    assert READ_BYTES_MAX - 2_000 < len(msgspec.json.encode(read)) <= READ_BYTES_MAX
    assert list(read.values()) == list(range(CHANNELS_MAX - len(read), CHANNELS_MAX))
    assert len(session.state.read) == CHANNELS_MAX


def test_a_push_reaches_every_device_and_keeps_to_its_bounds(session: Kit[Session]) -> None:
    assert session.ask(Push(data={"job": 7})).offset == 1
    assert session.publications == [{"type": "session.pushed", "data": {"job": 7}}]
    refused(session, Push(data="x" * 16_383), "session.too_long", 413)
    refused(session, Push(data=json.loads("[" * 50 + "]" * 50)), "session.too_long", 413)


def test_signing_out_closes_what_is_open_and_refuses_older_tokens(session: Kit[Session]) -> None:
    session.watch(principal=device("phone", issued_at=session.now - 60))
    session.ask(SignOut(), principal=device("phone", issued_at=session.now - 60))
    assert [(one.code, one.reason) for one in session.kicked] == [(SIGNED_OUT, "signed out")]
    assert session.publications == [{"type": "session.signed_out", "at_ms": int(session.now * 1000)}]
    session.restart()
    for issued_at in (session.now - 1, 0.0):  # one that does not say counts as older
        with pytest.raises(Refused, match=r"session\.signed_out"):
            session.watch(principal=device("phone", issued_at=issued_at))
    refused(session, Push(data=1), "session.signed_out", 401, principal=device("", issued_at=session.now - 1))
    session.advance(5)
    assert session.watch(principal=device("phone", issued_at=session.now))["signed_out_at_ms"]
    session.watch(principal=SYSTEM)


@pytest.mark.parametrize(
    ("iat", "counts"),
    [(1_700_000_000, True), (1_699_999_999, False), (1_700_000_000.2, False), (1_700_000_000.4, True)],
)
def test_a_token_of_the_second_of_the_sign_out_counts_unless_it_says_that_it_is_older(iat: float, counts: bool) -> None:
    """The user signs out at .300, and signs in again in that second: their new token says `iat` without fractions."""
    session = Kit(Session, key="ann", now=1_700_000_000.3)
    session.ask(SignOut(), user="ann")
    check = TokenVerifier(TokenConfig(secret=SECRET), lambda: 1_700_000_000.4)
    principal = device("", issued_at=check.verify_connection(token(sub="ann", iat=iat)).issued_at)
    if counts:
        session.ask(Read(channel="room:lobby", offset=1), principal=principal)
    else:
        refused(session, Read(channel="room:lobby", offset=1), "session.signed_out", 401, principal=principal)


def test_a_service_signs_an_admin_out_and_an_admin_a_service(session: Kit[Session]) -> None:
    """Both roles stand for whoever runs this: they may act for every user, and so for one another."""
    session.tell(SignOut(), user="mailer", roles=("service",))
    session.tell(SignOut(), user="root", roles=("admin",))
    assert len(session.publications) == 2


def test_sign_out_needs_a_terminal_code() -> None:
    assert 4500 <= SIGNED_OUT < 5000


def test_presence_follows_the_connections(session: Kit[Session]) -> None:
    began_ms = int(session.now * 1000)
    session.watch(principal=device("phone", connected_at=session.now))
    session.advance(10)
    session.watch(principal=device("laptop", connected_at=session.now))
    assert session.ephemerals[-1] == {
        "type": "session.presence",
        "online": True,
        "connections": [
            {"client": "phone", "since_ms": began_ms},
            {"client": "laptop", "since_ms": began_ms + 10_000},
        ],
    }
    session.unwatch(client="phone")
    assert session.ephemerals[-1]["connections"] == [{"client": "laptop", "since_ms": began_ms + 10_000}]
    session.advance(10)
    session.unwatch(client="laptop")
    assert session.ephemerals[-1] == {"type": "session.presence", "online": False, "connections": []}
    session.advance(10)
    view = session.view()
    assert (view["online"], view["last_seen_ms"]) == (False, began_ms + 20_000)
    assert session.offset == 0


def test_a_service_that_watches_is_not_the_user(session: Kit[Session]) -> None:
    session.watch(user="root", roles=("admin",))
    assert session.ephemerals == []
    assert session.view()["online"] is False


def test_after_a_restart_the_connections_are_still_there(session: Kit[Session]) -> None:
    session.watch(principal=device("phone"))
    session.advance(60)
    session.restart()
    view = session.view()
    assert view["online"] is True
    assert [one["client"] for one in view["connections"]] == ["phone"]
    assert view["last_seen_ms"] == int(session.now * 1000)


def test_a_view_shows_a_hundred_connections_at_most(session: Kit[Session]) -> None:
    for number in range(101):
        session.watch(principal=device(str(number)))
    assert len(session.view()["connections"]) == 100


def test_a_crowd_of_connections_is_shown_now_and_then_and_not_at_each(session: Kit[Session]) -> None:
    """Each time all of them are gone through: with a thousand that sign out, a thousand times would stall others."""
    for number in range(CONNECTIONS_SHOWN):
        session.watch(principal=device(str(number)))
    assert len(session.ephemerals) == CONNECTIONS_SHOWN
    for number in range(CONNECTIONS_SHOWN, 3 * CONNECTIONS_SHOWN):
        session.watch(principal=device(str(number)))
    session.unwatch(client="0")
    assert len(session.ephemerals) == CONNECTIONS_SHOWN
    session.advance(CROWD_S)
    assert len(session.ephemerals) == CONNECTIONS_SHOWN + 1
    assert [one["client"] for one in session.ephemerals[-1]["connections"]][:2] == ["1", "2"]
    session.advance(60)
    assert len(session.ephemerals) == CONNECTIONS_SHOWN + 1
    for number in range(1, 3 * CONNECTIONS_SHOWN):
        session.unwatch(client=str(number))
    assert session.ephemerals[-1] == {"type": "session.presence", "online": False, "connections": []}


def test_signing_out_spares_no_role(session: Kit[Session]) -> None:
    """An admin's own old token is as dead as anybody's."""
    session.ask(SignOut(), principal=Principal(user="ann", issued_at=session.now))
    session.advance(5)
    old = Principal(user="ann", roles=frozenset({"admin"}), issued_at=session.now - 10)
    with pytest.raises(Refused):
        session.watch(principal=old)


def test_pushes_of_strangers_cannot_push_out_what_is_ones_own(session: Kit[Session]) -> None:
    """More than is kept of them in a day is shown to the devices that are there; services and oneself go on."""
    session.ask(Read(channel="room:lobby", offset=1), user="ann")
    for number in range(STRANGERS_PER_DAY + 5):
        session.tell(Push(data=number, by=f"stranger{number}"))
    assert session.offset == 1 + STRANGERS_PER_DAY
    shown = {"type": "session.push_shown", "data": STRANGERS_PER_DAY, "by": f"stranger{STRANGERS_PER_DAY}"}
    assert session.ephemerals[0] == shown and len(session.ephemerals) == 5
    session.tell(Push(data="of nobody"))
    session.tell(Push(data="own", by="ann"))
    session.restart()
    session.tell(Push(data="late", by="bob"))
    assert session.offset == 3 + STRANGERS_PER_DAY
    session.advance(86_400)
    session.tell(Push(data="tomorrow", by="bob"))
    assert session.publications[-1] == {"type": "session.pushed", "data": "tomorrow", "by": "bob"}
    limits = session.kind.limits
    assert STRANGERS_PER_DAY * limits.history_s / 86_400 < limits.history_events
