"""Who is in which arm."""

from collections import Counter
from pathlib import Path

import pytest

from greenroom.actors.social.ranking.experiments import experiment_of

USERS = [f"user{number}" for number in range(10_000)]
BOLD = Path("bold.txt")


def arms(name: str, **percents: float) -> dict[str, str]:
    experiment = experiment_of(name, {arm: (percent, BOLD) for arm, percent in percents.items()})
    assert experiment is not None
    return {user: found.name if (found := experiment.arm_of(user)) is not None else "" for user in USERS}


def test_users_are_split_by_the_shares_of_the_arms() -> None:
    split = Counter(arms("autumn", bold=10, plain=25.5).values())
    assert split["bold"] == pytest.approx(1_000, abs=150) and split["plain"] == pytest.approx(2_550, abs=250)
    assert Counter(arms("autumn", all=100).values()) == {"all": 10_000}


def test_an_arm_that_is_added_moves_nobody_who_was_in_one() -> None:
    before, after = arms("autumn", bold=10), arms("autumn", bold=10, plain=20)
    assert all(after[user] == "bold" for user in USERS if before[user])
    assert before == arms("autumn", bold=10)


def test_another_experiment_splits_them_anew() -> None:
    one, other = arms("autumn", bold=50), arms("winter", bold=50)
    assert sum(one[user] == other[user] for user in USERS) == pytest.approx(5_000, abs=400)


def test_no_arms_are_no_experiment() -> None:
    assert experiment_of("autumn", {}) is None
