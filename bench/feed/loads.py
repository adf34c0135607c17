"""What people call: which of them, of whom and of what, drawn from a seed."""

import json
from collections.abc import Iterator
from itertools import cycle, islice
from random import Random
from typing import TypeVar

from bench.feed.calling import DUE, Call
from bench.feed.world import World

T = TypeVar("T")

REACTIONS = ("like",) * 8 + ("love", "laugh")
TAKEN_BACK = 0.1  # share of reactions
OF_STAR = 0.1  # share of follows that are of who is followed by most
PAIRS = 2_000  # who follow one another and leave again


def reads(world: World, count: int) -> list[Call]:
    """Home feeds, ranked, of everybody in turn."""
    random = Random("reads")
    users = list(range(len(world.users)))
    random.shuffle(users)
    return [Call(user, f"feed:{world.users[user]}/read", "{}") for user in _round(users, count)]


def likes(world: World, count: int) -> list[Call]:
    """Over all posts; few people like the same one twice."""
    random = Random("likes")
    calls = []
    for _ in range(count):
        post, _author = random.choice(world.posts)
        user = random.randrange(len(world.users))
        if random.random() < TAKEN_BACK:
            calls.append(Call(user, f"post:{post}/unreact", "{}"))
        else:
            calls.append(Call(user, f"post:{post}/react", json.dumps({"reaction": random.choice(REACTIONS)})))
    return calls


def follows(world: World, count: int, star: str) -> list[Call]:
    """People follow others and leave them again, in turn; some of all this is about one account of many edges."""
    random = Random("follows")
    users = len(world.users)
    pairs = []
    for number in range(PAIRS):
        user = random.randrange(users)
        other = (user + random.randrange(1, users)) % users
        pairs.append((user, star if number < PAIRS * OF_STAR else world.users[other]))
    random.shuffle(pairs)
    calls: list[Call] = []
    are_followed: set[tuple[int, str]] = set()
    for pair in _round(pairs, count):
        user, author = pair
        did = "unfollow" if pair in are_followed else "follow"
        are_followed ^= {pair}
        calls.append(Call(user, f"follows:{world.users[user]}/{did}", json.dumps({"user": author})))
    return calls


def comments(world: World, count: int, watchers: int) -> list[Call]:
    """Each under a post of one of the first so many users, by somebody else, and with the moment when it was due."""
    random = Random("comments")
    watching = set(world.users[:watchers])
    posts = [(post, author) for post, author in world.posts if author in watching]
    calls = []
    for post, author in _round(posts, count):
        user = random.randrange(len(world.users))
        if world.users[user] == author:
            user = (user + 1) % len(world.users)
        calls.append(Call(user, f"thread:{post}/comment", json.dumps({"text": DUE})))
    return calls


def _round(some: list[T], count: int) -> Iterator[T]:
    return islice(cycle(some), count)
