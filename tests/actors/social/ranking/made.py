"""Candidates and readers, as tests make them."""

from typing import Any

from hypothesis import strategies as st

from greenroom.actors.social.ranking.candidates import Candidate
from greenroom.actors.social.ranking.events import Shown
from greenroom.actors.social.ranking.messages import Exposure, FeaturesShown
from greenroom.actors.social.ranking.values import Reader

NOW_MS = 1_750_000_000_000
HOUR_MS = 3_600_000


def post(number: int) -> str:
    return f"{number:032x}"


def candidate(number: int, author: str = "bob", *, age_h: float = 1.0, **more: Any) -> Candidate:
    return Candidate(post=post(number), author=author, at_ms=NOW_MS - int(age_h * HOUR_MS), **more)


def reader(known: FeaturesShown = FeaturesShown({}, {})) -> Reader:  # noqa: B008
    return Reader(known.mine, known.with_authors, NOW_MS)


def exposure(
    did: str = "seen", *, number: int = 1, author: str = "bob", ms: int = 0, features: dict[str, float] | None = None
) -> Exposure:
    from greenroom.actors.social.feed.messages import Signal

    signal = Signal(post=post(number), did=did, ms=ms)  # type: ignore[arg-type]
    return Exposure(signal=signal, author=author, features=features or {})


def shown(number: int, author: str, **features: float) -> Shown:
    return Shown(post=post(number), author=author, did="seen", features=features)


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        post=st.integers(0, 400).map(post),
        author=st.sampled_from(["ann", "bob", "cat", "dan"]),
        at_ms=st.integers(NOW_MS - 1000 * HOUR_MS, NOW_MS + HOUR_MS),
        reason=st.sampled_from(["following", "suggested", "tag"]),
        reactions=st.integers(0, 1_000_000),
        comments=st.integers(0, 1000),
        shares=st.integers(0, 1000),
        followers=st.integers(0, 1_000_000),
        seen=st.booleans(),
    ),
    max_size=60,
)
