"""The official Python SDK, unmodified, with handlers that note what happened."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from centrifuge import (
    Client,
    ClientEventHandler,
    ClientState,
    ConnectedContext,
    ConnectingContext,
    DisconnectedContext,
    ErrorContext,
    JoinContext,
    LeaveContext,
    PublicationContext,
    ServerPublicationContext,
    ServerSubscribedContext,
    SubscribedContext,
    SubscribingContext,
    Subscription,
    SubscriptionErrorContext,
    SubscriptionEventHandler,
    UnsubscribedContext,
)

from tests.e2e.server import Server


class Connection(ClientEventHandler):
    """What a client was told."""

    def __init__(self) -> None:
        self.connected: list[ConnectedContext] = []
        self.connecting: list[ConnectingContext] = []
        self.disconnected: list[DisconnectedContext] = []
        self.errors: list[ErrorContext] = []
        self.server_subscribed: list[ServerSubscribedContext] = []
        self.server_publications: list[ServerPublicationContext] = []

    async def on_connected(self, ctx: ConnectedContext) -> None:
        self.connected.append(ctx)

    async def on_connecting(self, ctx: ConnectingContext) -> None:
        self.connecting.append(ctx)

    async def on_disconnected(self, ctx: DisconnectedContext) -> None:
        self.disconnected.append(ctx)

    async def on_error(self, ctx: ErrorContext) -> None:
        self.errors.append(ctx)

    async def on_subscribed(self, ctx: ServerSubscribedContext) -> None:
        self.server_subscribed.append(ctx)

    async def on_publication(self, ctx: ServerPublicationContext) -> None:
        self.server_publications.append(ctx)


class Watch(SubscriptionEventHandler):
    """What a subscription was told."""

    def __init__(self) -> None:
        self.subscribed: list[SubscribedContext] = []
        self.subscribing: list[SubscribingContext] = []
        self.unsubscribed: list[UnsubscribedContext] = []
        self.publications: list[Any] = []
        self.joined: list[JoinContext] = []
        self.left: list[LeaveContext] = []
        self.errors: list[SubscriptionErrorContext] = []

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        self.subscribed.append(ctx)

    async def on_subscribing(self, ctx: SubscribingContext) -> None:
        self.subscribing.append(ctx)

    async def on_unsubscribed(self, ctx: UnsubscribedContext) -> None:
        self.unsubscribed.append(ctx)

    async def on_publication(self, ctx: PublicationContext) -> None:
        self.publications.append(ctx.pub)

    async def on_join(self, ctx: JoinContext) -> None:
        self.joined.append(ctx)

    async def on_leave(self, ctx: LeaveContext) -> None:
        self.left.append(ctx)

    async def on_error(self, ctx: SubscriptionErrorContext) -> None:
        self.errors.append(ctx)

    @property
    def offsets(self) -> list[int]:
        return [pub.offset for pub in self.publications if pub.offset]

    @property
    def texts(self) -> list[str]:
        return [pub.data["text"] for pub in self.publications if pub.data["type"] == "room.message"]


def new_client(server: Server, user: str | None = None, **options: Any) -> Client:
    """Not connected yet; `user` names itself, as it may with ENV=local."""
    if user is not None:
        options["data"] = {"user": user}
    options.setdefault("events", Connection())
    return Client(server.websocket_url, proxy=None, max_reconnect_delay=0.5, **options)


@asynccontextmanager
async def connected(server: Server, user: str | None = None, **options: Any) -> AsyncIterator[Client]:
    client = new_client(server, user, **options)
    await client.connect()
    try:
        await client.ready(10.0)
        yield client
    finally:
        await client.disconnect()


async def watching(client: Client, channel: str, **options: Any) -> tuple[Subscription, Watch]:
    """A subscription that is on."""
    watch = Watch()
    subscription = client.new_subscription(channel, events=watch, **options)
    await subscription.subscribe()
    await until(lambda: bool(watch.subscribed or watch.unsubscribed), f"the subscription to {channel}")
    return subscription, watch


async def until(done: Callable[[], bool], what: str, *, within_s: float = 15.0) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, f"waited {within_s:g} s in vain for {what}"
        await asyncio.sleep(0.01)


async def reconnected(client: Client, *, times: int = 2) -> None:
    """Until it has connected so often."""
    events = client.events
    assert isinstance(events, Connection)
    await until(lambda: len(events.connected) >= times, "the client to reconnect", within_s=60.0)
    assert client.state is ClientState.CONNECTED


def run(scenario: Callable[[], Coroutine[Any, Any, None]] | Awaitable[None], *, within_s: float = 120.0) -> None:
    """One scenario in an asyncio loop of its own: the SDK is of that world, our tests' default is trio's."""

    async def bounded() -> None:
        async with asyncio.timeout(within_s):
            await (scenario() if callable(scenario) else scenario)

    asyncio.run(bounded())
