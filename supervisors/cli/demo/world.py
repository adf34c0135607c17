"""A made-up world of people: what they are to do, decided from a seed alone, so that it comes out the same each time.

Who is followed, and what is liked, is uneven as it is among people: by rank, the first has twice what the second has,
about, and most have a few.
"""

from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from random import Random
from typing import Any, Final

from msgspec import Struct, field

from greenroom.supervisors.cli.demo.people import COMMENTS, REPLIES, TOPICS, Person, person

VERSION: Final = 1  # of the world: with another one the same seed is another world
POSTS_EACH, REACTIONS_EACH, COMMENTS_EACH = 3.0, 8.0, 1.5  # on average
FOLLOWING_MAX: Final = 200
STORIES, SHARES, MENTIONS = 0.08, 0.06, 0.15  # shares of all posts
REPLIES_SHARE = 0.3  # of the comments that are answered by the post's author
REACTIONS: Final = ("like",) * 12 + ("love",) * 4 + ("laugh",) * 2 + ("wow", "sad")
VISIBILITIES: Final = ("public",) * 17 + ("followers",) * 2 + ("close",)
PHASES: Final = ("people", "follows", "friends", "posts", "shares", "reactions", "comments", "replies")


class Act(Struct, frozen=True, kw_only=True):
    """One command."""

    name: str  # no other act's; the same in each run
    user: str
    kind: str
    key: str = ""  # where it is not that of a post
    command: str
    fields: dict[str, Any] = field(default_factory=dict)
    post: int | None = None  # which post it is about, or shares
    comment: str = ""  # which comment it answers: the name of that act


class Posted(Struct, frozen=True):
    """A post that there will be."""

    author: int
    is_open: bool  # to everybody, and for good


class Demo:
    """All of it, phase by phase. A phase stands on those before."""

    def __init__(self, users: int, seed: int) -> None:
        self._random = Random(f"greenroom demo {VERSION} {users} {seed}")
        self.people: list[Person] = [person(number, self._random) for number in range(1, users + 1)]
        ranks = list(range(users))
        self._random.shuffle(ranks)
        self._weights = [1.0 / (1 + rank) for rank in ranks]
        self._all = _Draw(range(users), self._weights)
        self._by_topic = [
            _Draw([number for number, one in enumerate(self.people) if one.topic == topic], self._weights)
            for topic in range(len(TOPICS))
        ]
        self.following: list[list[int]] = [self._followed(number) for number in range(users)]
        self._posted: list[Posted] = []
        self._shareable: list[int] = []
        self._posts: list[Act] = []
        self._shares: list[Act] = []
        for number in range(int(users * POSTS_EACH)):
            self._post(number)
        self._open_by: dict[int, list[int]] = {}
        for number, one in enumerate(self._posted):
            if one.is_open:
                self._open_by.setdefault(one.author, []).append(number)
        self._reactions = list(self._react())
        self._comments, self._replies = self._comment()

    def acts(self, phase: str) -> list[Act]:
        match phase:
            case "people":
                return [self._profile(one) for one in self.people]
            case "follows":
                return [
                    self._follows(number, "follow", other)
                    for number, some in enumerate(self.following)
                    for other in some
                ]
            case "friends":
                return list(self._friends())
            case "posts":
                return self._posts
            case "shares":
                return self._shares
            case "reactions":
                return self._reactions
            case "comments":
                return self._comments
            case "replies":
                return self._replies
        raise KeyError(phase)

    def most_followed(self, count: int = 3) -> list[tuple[str, int]]:
        """With how many follow them; the most first."""
        counts = Counter(other for some in self.following for other in some)
        return [(self.people[number].user, followers) for number, followers in counts.most_common(count)]

    # People.

    def _profile(self, one: Person) -> Act:
        fields = {"name": one.name, "bio": one.bio, "timezone": one.zone, "language": one.language}
        return Act(
            name=f"profile {one.user}", user=one.user, kind="profile", key=one.user, command="set", fields=fields
        )

    def _followed(self, number: int) -> list[int]:
        """Half of them share a topic."""
        want = min(FOLLOWING_MAX, len(self.people) - 1, int(4 * self._random.paretovariate(1.4)))
        near, found = self._by_topic[self.people[number].topic], dict[int, None]()
        for _ in range(8 * want):
            if len(found) == want:
                break
            other = (near if self._random.random() < 0.5 else self._all).one(self._random)
            if other != number:
                found[other] = None
        return list(found)

    def _follows(self, number: int, command: str, other: int, **fields: Any) -> Act:
        user, whom = self.people[number].user, self.people[other].user
        return Act(
            name=f"{command} {user} {whom}",
            user=user,
            kind="follows",
            key=user,
            command=command,
            fields={"user": whom, **fields},
        )

    def _friends(self) -> Iterator[Act]:
        """Some count some of those who follow them as close."""
        followers: dict[int, list[int]] = {}
        for number, some in enumerate(self.following):
            for other in some:
                followers.setdefault(other, []).append(number)
        for number in sorted(followers):
            if number % 4 == 0:
                yield from (self._follows(number, "set_close", other) for other in followers[number][:3])

    # What they post.

    def _post(self, number: int) -> None:
        random = self._random
        author = self._all.one(random) if random.random() < 0.6 else random.randrange(len(self.people))
        if self._shareable and random.random() < SHARES:
            shared = random.choice(self._shareable)
            text = random.choice(("", "This.", "Worth your time.", "Look at that!"))
            self._shares.append(self._posting(f"share {number}", author, {"text": text}, post=shared))
            return
        is_story = random.random() < STORIES
        visibility = random.choice(VISIBILITIES)
        fields = {"text": self._text(author), "visibility": visibility, "is_story": is_story}
        is_open = visibility == "public" and not is_story
        if is_open:
            self._shareable.append(len(self._posts))
        self._posts.append(self._posting(f"post {number}", author, fields))
        self._posted.append(Posted(author, is_open))

    def _posting(self, name: str, author: int, fields: dict[str, Any], post: int | None = None) -> Act:
        user = self.people[author].user
        return Act(name=name, user=user, kind="feed", key=user, command="post", fields=fields, post=post)

    def _text(self, author: int) -> str:
        random, topic = self._random, TOPICS[self.people[author].topic]
        text = f"{random.choice(topic.openings)} {random.choice(topic.things)}."
        if self.following[author] and random.random() < MENTIONS:
            text += f" @{self.people[random.choice(self.following[author])].user}, you would like it."
        return " ".join([text, *(f"#{tag}" for tag in random.sample(topic.tags, random.randrange(3)))])

    # What others make of it.

    def _seen_by(self, number: int, times: int) -> list[int]:
        """Posts that they have come across: of those whom they follow, and of those whom everybody does."""
        random, found = self._random, dict[int, None]()
        for _ in range(times):
            near = self.following[number]
            author = random.choice(near) if near and random.random() < 0.7 else self._all.one(random)
            if author in self._open_by and author != number:
                found[random.choice(self._open_by[author])] = None
        return list(found)

    def _react(self) -> Iterator[Act]:
        for number, one in enumerate(self.people):
            for post in self._seen_by(number, int(self._random.expovariate(1 / REACTIONS_EACH))):
                yield Act(
                    name=f"react {one.user} {post}",
                    user=one.user,
                    kind="post",
                    command="react",
                    fields={"reaction": self._random.choice(REACTIONS)},
                    post=post,
                )

    def _comment(self) -> tuple[list[Act], list[Act]]:
        comments: list[Act] = []
        replies: list[Act] = []
        for number, one in enumerate(self.people):
            for post in self._seen_by(number, int(self._random.expovariate(1 / COMMENTS_EACH))):
                said = self._saying(f"comment {one.user} {post}", one.user, post, COMMENTS)
                comments.append(said)
                if self._random.random() < REPLIES_SHARE:
                    author = self.people[self._posted[post].author].user
                    replies.append(self._saying(f"reply {one.user} {post}", author, post, REPLIES, said.name))
        return comments, replies

    def _saying(self, name: str, user: str, post: int, texts: Sequence[str], comment: str = "") -> Act:
        fields = {"text": self._random.choice(texts)}
        return Act(name=name, user=user, kind="thread", command="comment", fields=fields, post=post, comment=comment)


class _Draw:
    """Draws among some by their weights."""

    def __init__(self, among: Sequence[int], weights: Sequence[float]) -> None:
        self._among = among
        self._sums = list(accumulate(weights[one] for one in among))

    def one(self, random: Random) -> int:
        return self._among[bisect(self._sums, random.random() * self._sums[-1], hi=len(self._among) - 1)]
