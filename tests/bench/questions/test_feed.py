"""A short run of the benchmark of feeds: every figure is there, all are answered and told, and the numbers exact."""

from bench.questions.feed import QUESTION, FeedParams

PARAMS = FeedParams(
    seconds=0.5, users=20, reads=20, likes=40, follows=40, comments=20, watchers=10, followers=20, posts=2,
    sleepers=30_000, old=0.0, settle=0.5,
    work="social:4",
)  # fmt: skip


def test_people_read_like_and_follow_and_very_many_are_told_of_a_post() -> None:
    answer = QUESTION.answer(PARAMS, lambda what, share: None)
    found = answer.results
    assert set(QUESTION.figures) <= set(found)
    nothing = [
        "counter_drift",
        "inbox_missing",
        *(f"{name}_refused" for name in ("read", "anew", "like", "comment", "follow")),
    ]
    assert {name: found[name] for name in nothing} == dict.fromkeys(nothing, 0)
    assert all(0 < found[name] < 60_000 for name in QUESTION.figures if name not in nothing)
    assert set(answer.curves) == {"read", "anew", "like", "comment", "follow"}
