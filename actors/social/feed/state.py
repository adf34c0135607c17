"""What a feed remembers: whom its user may see, as `follows` has said, and what they have seen."""

from collections.abc import Iterable

from msgspec import Struct, field

from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.feed.events import (
    Barred,
    CaughtUp,
    CloseTo,
    FeedEvent,
    Followed,
    Muted,
    PostMade,
    PostsSeen,
    Returned,
    Trimmed,
    Unfollowed,
)
from greenroom.actors.social.names import ms_of

BARRED_MAX = 20_000  # with more of them, its user sees only those whom they follow
CLOSE_MAX = 10_000  # of more, the oldest are forgotten, and so are not seen
SEEN_MAX = 2_000
HID_MAX = 500
MADE_MAX = 20
STORIES_MADE_MAX = 50  # with MADE_MAX, as many as one answer holds: see messages.Made
STORY_MS = 86_400_000  # for so long it is shown

BY_US, BY_THEM = 1, 2


class FeedState(Struct):
    """Of one reader. How many they follow and mute is bounded by `follows`, which says so."""

    follows: dict[Subject, int] = field(default_factory=dict)  # whom -> since when, Unix ms
    behind: dict[Subject, int] = field(default_factory=dict)  # of these: whose wall is to be looked at -> since when
    muted: dict[Subject, bool] = field(default_factory=dict)
    barred: dict[Subject, int] = field(default_factory=dict)  # BY_US, BY_THEM, or both
    is_barred_by_more: bool = False  # than there is room for
    close_to: dict[Subject, bool] = field(default_factory=dict)  # authors who count its user among close friends
    returned_ms: int = 0  # Unix: the day on which its user last read; 0: never
    made: list[str] = field(default_factory=list)  # its user's own newest posts, newest last
    stories: list[str] = field(default_factory=list)  # those of them that are, and those of the last day
    seen: dict[str, bool] = field(default_factory=dict)  # posts, newest last
    hid: dict[str, bool] = field(default_factory=dict)


def named(state: FeedState, now_ms: int) -> list[str]:
    """What its user has posted last, the newest last: also stories that have not ended, whatever came behind them."""
    older = [post for post in state.stories if post not in state.made and ms_of(post) > now_ms - STORY_MS]
    return [*older, *state.made]


def change(state: FeedState, event: FeedEvent, at_ms: int) -> None:
    """By one event."""
    match event:
        case PostMade():
            state.made = [*state.made, event.post][-MADE_MAX:]
            told = [*state.stories, event.post] if event.is_story else state.stories
            begun_ms = ms_of(event.post) - STORY_MS
            kept = [post for post in told if post in state.made or ms_of(post) > begun_ms]
            state.stories = kept[-STORIES_MADE_MAX:]
        case Followed():
            state.follows[event.author] = state.behind[event.author] = at_ms
        case Unfollowed():
            state.follows.pop(event.author, None)
            state.behind.pop(event.author, None)
        case Muted():
            _set(state.muted, event.user, event.muted)
        case Barred():
            _bar(state, event)
        case CloseTo():
            _set(state.close_to, event.author, event.close)
            _keep(state.close_to, CLOSE_MAX)
        case Returned():
            state.returned_ms = at_ms
            if event.after_long:
                state.behind = dict.fromkeys(state.follows, at_ms)
        case CaughtUp():
            state.behind = {user: ms for user, ms in state.behind.items() if ms >= event.followed_ms}
        case PostsSeen():
            _add(state.seen, event.seen, SEEN_MAX)
            _add(state.hid, event.hid, HID_MAX)
        case Trimmed():
            pass  # rows of a view


def _set(among: dict[str, bool], user: str, is_one: bool) -> None:
    if is_one:
        among[user] = True
    else:
        among.pop(user, None)


def _bar(state: FeedState, event: Barred) -> None:
    side = BY_US if event.by_us else BY_THEM
    before = state.barred.get(event.user, 0)
    after = before | side if event.barred else before & ~side
    if not after:
        state.barred.pop(event.user, None)
    elif before or len(state.barred) < BARRED_MAX:
        state.barred[event.user] = after
    else:  # nobody's block may be forgotten
        state.is_barred_by_more = True


def _add(among: dict[str, bool], posts: Iterable[str], most: int) -> None:
    for post in posts:
        among.pop(post, None)
        among[post] = True
    _keep(among, most)


def _keep(among: dict[str, bool], most: int) -> None:
    while len(among) > most:
        del among[next(iter(among))]
