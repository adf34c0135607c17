"""A thread, whatever is said in it: counts are a recount, and its rows are what its state says."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from greenroom import Ask, Event, Refused
from greenroom.actors.social.moderation.messages import Verdict
from greenroom.actors.social.post.messages import CommentsChanged
from greenroom.actors.social.thread.messages import Close, Comment, Delete, Edit, Hide, Like, Unlike
from greenroom.actors.social.thread.view import Comments
from greenroom.testing import fold
from tests.actors.social.post.posting import ID, USERS, deliver_own, told, told_twice
from tests.actors.social.thread.saying import opened

users = st.sampled_from(USERS)
texts = st.sampled_from(["hi", "@bob", "@cat @dan", "again @bob @ann"])
numbers = st.integers(0, 5)


class ThreadMachine(RuleBasedStateMachine):
    """Random commands of random users."""

    @initialize()
    def open(self) -> None:
        self.kit, self.others = opened()
        self.verdict = Verdict(verdict="fine")
        self.kit.when_asked("rules:all", lambda _: self.verdict)

    def command(self, user: str, message: Ask[Any]) -> None:
        offset = self.kit.offset
        try:
            self.kit.ask(message, user=user)
        except Refused:
            assert self.kit.offset == offset

    def comment_of(self, number: int) -> tuple[int, str]:
        """One of those that are there, and whose it is."""
        authors = list(self.kit.state.authors.items())
        return authors[number % len(authors)] if authors else (99, "ann")

    @rule(user=users, text=texts, number=st.none() | numbers)
    def say(self, user: str, text: str, number: int | None) -> None:
        self.command(user, Comment(text=text, reply_to=None if number is None else self.comment_of(number)[0]))

    @rule(number=numbers, text=texts)
    def edit(self, number: int, text: str) -> None:
        offset, author = self.comment_of(number)
        self.command(author, Edit(offset=offset, text=text))

    @rule(number=numbers, by=st.sampled_from(["its author", "ann", "eve"]))
    def delete(self, number: int, by: str) -> None:
        offset, author = self.comment_of(number)
        self.command(author if by == "its author" else by, Delete(offset=offset))

    @rule(number=numbers, user=users)
    def like(self, number: int, user: str) -> None:
        self.command(user, Like(offset=self.comment_of(number)[0]))

    @rule(number=numbers, user=users)
    def unlike(self, number: int, user: str) -> None:
        self.command(user, Unlike(offset=self.comment_of(number)[0]))

    @rule(number=numbers, hidden=st.booleans())
    def moderate(self, number: int, hidden: bool) -> None:
        self.kit.tell(Hide(offset=self.comment_of(number)[0], hidden=hidden))

    @rule(verdict=st.sampled_from(["fine", "fine", "fine", "hide", "shadow", "refuse"]))
    def rules_change(self, verdict: Any) -> None:
        self.verdict = Verdict(verdict=verdict)

    @rule(user=users)
    def somebody_sees_the_post_or_no_more(self, user: str) -> None:
        self.others.unseen ^= {user}

    @rule()
    def what_it_tells_itself_comes(self) -> None:
        deliver_own(self.kit)

    @rule(often=st.integers(0, 15))
    def close(self, often: int) -> None:
        if not often:
            self.kit.tell(Close())

    @rule(from_snapshot=st.booleans())
    def restart(self, from_snapshot: bool) -> None:
        self.kit.restart(from_snapshot=from_snapshot)

    @invariant()
    def the_post_hears_how_many_can_be_seen(self) -> None:
        state = self.kit.state
        counts = [said.count for _, said in told(self.kit, CommentsChanged)]
        if not state.closed:
            assert (counts or [0])[-1] == state.count == len(state.authors.keys() - state.veils.keys())

    @invariant()
    def likes_are_of_comments_that_are_there(self) -> None:
        state = self.kit.state
        assert state.likes == sum(map(len, state.likers.values())) and state.likers.keys() <= state.authors.keys()
        assert {*state.veils, *state.replies, *state.named, *state.window} <= state.authors.keys()

    @invariant()
    def nobody_is_told_twice_that_a_comment_names_them(self) -> None:
        assert not told_twice(self.kit, "mention", "reply")

    def teardown(self) -> None:
        deliver_own(self.kit)
        happened: list[tuple[str, Event]] = [(f"thread:{ID}", event) for event in self.kit.events]
        state = self.kit.state
        rows = fold(Comments, happened)
        assert [(row.offset, row.author, row.likes, row.veil, row.reply_to) for row in rows] == [
            (offset, author, state.likes_of(offset), state.veils.get(offset, ""), state.replies.get(offset, 0))
            for offset, author in sorted(state.authors.items())
        ]


TestThread = ThreadMachine.TestCase
TestThread.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
