"""One user at the same moment on two nodes, and who watches on the other one: on two real kernels, in virtual time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.chat.room.actor import Room
from greenroom.actors.identity import Session
from greenroom.actors.inbox.actor import Inbox
from greenroom.actors.jobs.queue.actor import Queue
from greenroom.actors.jobs.single.actor import SingleJob
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.principal import SYSTEM, Principal
from greenroom.actors.social.feed.actor import Feed
from greenroom.actors.social.follows.actor import Follows
from greenroom.actors.social.follows.messages import Block, Follow, Remove, SetPrivate, Unfollow
from greenroom.actors.social.moderation.cases import Case
from greenroom.actors.social.moderation.rules import Rules
from greenroom.actors.social.post.actor import Post
from greenroom.actors.social.post.messages import Publish, React, Recount, Unreact, Watch
from greenroom.actors.social.post.reactions import Reactions
from greenroom.actors.social.ranking.features import Features
from greenroom.actors.social.spread.actor import Spread
from greenroom.actors.social.thread.actor import Thread
from greenroom.actors.social.thread.messages import Comment, Like, Read, Unlike
from tests.actors.social.post.posting import ID
from tests.supervisors.correspondence.small_cluster import A, B, Cluster, cluster

POST, THREAD = f"post:{ID}", f"thread:{ID}"
ANN, BOB = Principal(user="ann"), Principal(user="bob")


class TinyPost(Post):
    """Whom it does not know itself, its parts do."""

    reactors_max: ClassVar[int] = 1


OTHERS: tuple[type[Actor[Any]], ...] = (
    Case,
    Feed,
    Features,
    Follows,
    Inbox,
    Queue,
    Reactions,
    Room,
    Rules,
    Session,
    SingleJob,
    Spread,
    Thread,
)


@asynccontextmanager
async def posted(post: type[Post] = Post, visibility: Any = "public") -> AsyncIterator[Cluster]:
    """By ann, on node A."""
    async with cluster(kinds=(post, *OTHERS)) as run:
        await run.nodes[A].ask("follows:bob", Follow(user="ann"), principal=BOB)
        run.nodes[A].kernel.router.tell(POST, Publish(author="ann", text="x", visibility=visibility))
        await trio.sleep(1.0)
        yield run


async def settled(run: Cluster) -> tuple[dict[str, int], int]:
    """What is counted when all has come, and by how much that is wrong."""
    await trio.sleep(5.0)
    found = await run.nodes[B].ask(POST, Recount(), principal=SYSTEM)
    return found.shown, found.drift


@pytest.mark.parametrize("post", [Post, TinyPost])
async def test_two_likes_of_one_user_at_once_on_two_nodes_are_one(post: type[Post], autojump_clock: MockClock) -> None:
    async with posted(post) as run:
        await run.nodes[A].ask(POST, React(), principal=Principal(user="first"))
        answers = [run.nodes[node].send(POST, React(), principal=BOB) for node in (A, B, B, A)]
        assert await settled(run) == ({"like": 2}, 0)
        assert [one.only.mine for one in answers] == 4 * ["like"]


@pytest.mark.parametrize("post", [Post, TinyPost])
@pytest.mark.parametrize("moves", [False, True])
async def test_a_like_and_its_end_at_once_on_two_nodes_leave_what_was_handled_last(
    post: type[Post], moves: bool, autojump_clock: MockClock
) -> None:
    async with posted(post) as run:
        await run.nodes[A].ask(POST, React(), principal=Principal(user="first"))
        for turn in range(10):
            one = run.nodes[A].send(POST, React(reaction="love"), principal=BOB)
            other = run.nodes[B].send(POST, Unreact(), principal=BOB)
            if moves:
                await run.move(POST, B if turn % 2 == 0 else A)
            await trio.sleep(1.0)
            assert len(one.given) == len(other.given) == 1
        shown, drift = await settled(run)
        mine = (await run.nodes[A].ask(POST, React(reaction="love"), principal=BOB)).mine
        assert drift == 0 and shown in ({"like": 1}, {"like": 1, "love": 1}) and mine == "love"
        assert await settled(run) == ({"like": 1, "love": 1}, 0)
        await run.nodes[B].ask(POST, Unreact(), principal=BOB)
        assert await settled(run) == ({"like": 1}, 0)


async def test_likes_of_a_comment_too(autojump_clock: MockClock) -> None:
    async with posted() as run:
        offset = (await run.nodes[A].ask(THREAD, Comment(text="hi"), principal=ANN)).offset
        for node in (A, B, A, B):
            run.nodes[node].send(THREAD, Like(offset=offset), principal=BOB)
        await trio.sleep(1.0)

        async def likes() -> int:
            page = await run.nodes[B].ask(THREAD, Read(), principal=BOB)
            return int(page.comments[0].likes)

        assert await likes() == 1
        for node in (A, B):
            run.nodes[node].send(THREAD, Unlike(offset=offset), principal=BOB)
        await trio.sleep(1.0)
        assert await likes() == 0


@pytest.mark.parametrize("how", ["unfollow", "remove", "block"])
@pytest.mark.parametrize("private", [False, True])
async def test_who_follows_no_more_ceases_to_watch_at_once_on_the_other_node(
    how: str, private: bool, autojump_clock: MockClock
) -> None:
    async with posted(visibility="public" if private else "followers") as run:
        await run.nodes[A].ask("follows:ann", SetPrivate(private=private), principal=ANN)
        await run.nodes[B].ask(POST, Watch(), principal=BOB)
        await run.nodes[B].ask(THREAD, Read(), principal=BOB)
        seats = [run.nodes[B].watch(entity, BOB) for entity in (POST, THREAD)]
        await trio.sleep(1.0)
        assert [seat.kicks for seat in seats] == [[], []]
        match how:
            case "unfollow":
                await run.nodes[A].ask("follows:bob", Unfollow(user="ann"), principal=BOB)
            case "remove":
                await run.nodes[A].ask("follows:ann", Remove(user="bob"), principal=ANN)
            case _:
                await run.nodes[A].ask("follows:ann", Block(user="bob"), principal=ANN)
        await trio.sleep(1.0)
        assert [seat.kicks for seat in seats] == [[2100], [2100]]


async def test_below_a_post_that_sleeps_too(autojump_clock: MockClock) -> None:
    async with posted(visibility="followers") as run:
        await run.nodes[B].ask(THREAD, Read(), principal=BOB)
        seat = run.nodes[B].watch(THREAD, BOB)
        await trio.sleep(1.0)
        await run.nodes[A].stop(POST)
        assert POST not in run.nodes[A].awake() and THREAD in run.nodes[A].awake()
        await run.nodes[A].ask("follows:ann", Remove(user="bob"), principal=ANN)
        await trio.sleep(1.0)
        assert seat.kicks == [2100]
        with pytest.raises(Refused, match=r"post\.not_found"):
            await run.nodes[B].ask(THREAD, Read(), principal=BOB)
