"""What people of a made-up world are to do."""

from collections import Counter

import msgspec
import pytest

from greenroom.actors.social.feed.messages import Post
from greenroom.actors.social.post.messages import React
from greenroom.actors.social.thread.messages import Comment
from greenroom.supervisors.cli.demo.world import PHASES, Act, Demo

POST = "0" * 32


@pytest.fixture(scope="module")
def world() -> Demo:
    return Demo(300, 1)


def all_of(world: Demo) -> dict[str, list[Act]]:
    return {phase: world.acts(phase) for phase in PHASES}


def test_a_seed_makes_the_same_world_each_time(world: Demo) -> None:
    assert all_of(Demo(300, 1)) == all_of(world)
    assert all_of(Demo(300, 2)) != all_of(world)
    names = [act.name for acts in all_of(world).values() for act in acts]
    assert len(set(names)) == len(names), "what has a name of its own is done once"


@pytest.mark.parametrize("users", [1, 2, 7])
def test_a_small_world_is_one(users: int) -> None:
    world = all_of(Demo(users, 1))
    assert len(world["people"]) == users and len(world["posts"] + world["shares"]) == 3 * users


def test_a_few_are_followed_by_many_and_nobody_by_themselves(world: Demo) -> None:
    counts = Counter(act.fields["user"] for act in world.acts("follows"))
    assert all(act.user != act.fields["user"] for act in world.acts("follows"))
    most = [count for _, count in counts.most_common()]
    assert most[0] > 100 and sum(most) / 300 > 4, "the first by a third of all"
    assert most[150] <= 10
    assert world.most_followed()[0] == (counts.most_common(1)[0][0], most[0])


def test_what_is_said_is_what_its_entity_takes(world: Demo) -> None:
    for act in world.acts("posts"):
        msgspec.convert(act.fields, Post)
    for act in world.acts("reactions"):
        msgspec.convert(act.fields, React)
    for act in world.acts("comments") + world.acts("replies"):
        msgspec.convert(act.fields, Comment)


def test_what_others_act_on_is_there_for_everybody_and_another_ones(world: Demo) -> None:
    posts = world.acts("posts")
    for phase in ("reactions", "comments", "shares"):
        for act in world.acts(phase):
            assert act.post is not None
            about = posts[act.post]
            assert about.fields["visibility"] == "public" and not about.fields["is_story"]
            assert phase == "shares" or about.user != act.user


def test_it_has_something_of_everything(world: Demo) -> None:
    posts = world.acts("posts")
    users = {one.user for one in world.people}
    assert any(act.fields["is_story"] for act in posts)
    assert {act.fields["visibility"] for act in posts} == {"public", "followers", "close"}
    assert any("#" in act.fields["text"] for act in posts)
    named = [word[1:-1] for act in posts for word in act.fields["text"].split() if word[0] == "@"]
    assert named and set(named) <= users, "who is mentioned exists"
    comments = {act.name for act in world.acts("comments")}
    assert world.acts("replies") and all(act.comment in comments for act in world.acts("replies"))
    assert world.acts("shares") and world.acts("friends")


def test_friends_are_some_who_follow(world: Demo) -> None:
    edges = {(act.user, act.fields["user"]) for act in world.acts("follows")}
    for act in world.acts("friends"):
        assert (act.fields["user"], act.user) in edges
