"""Files that would end the process that reads them are refused before LightGBM sees them."""

import random
import re
from contextlib import suppress

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.social.ranking import trees
from greenroom.actors.social.ranking.trees import BadTrees, checked_trees


def saved(rounds: int = 5, *, objective: str = "binary", leaves: int = 7) -> str:
    chance = np.random.default_rng(1)
    values = chance.uniform(0, 3, (300, 3)).astype(np.float32)
    good = values[:, 0] + values[:, 1] > 3
    parameters = {"objective": objective, "verbosity": -1, "num_leaves": leaves, "num_threads": 1, "seed": 1}
    names = ["recency", "pace", "rate"]
    booster = lightgbm.train(parameters, lightgbm.Dataset(values, label=good, feature_name=names), rounds)
    text: str = booster.model_to_string()
    return text


WHOLE = saved()


def test_what_lightgbm_saves_is_handed_on_as_far_as_it_is_needed() -> None:
    checked = checked_trees(WHOLE)
    assert checked.endswith("end of trees\n") and WHOLE.startswith(checked[:-1])
    values = np.random.default_rng(2).uniform(0, 3, (50, 3))
    ours, theirs = (lightgbm.Booster(model_str=text) for text in (checked, WHOLE))
    assert np.array_equal(np.asarray(ours.predict(values)), np.asarray(theirs.predict(values)))


def test_one_that_has_found_nothing_is_a_model_too() -> None:
    nothing = lightgbm.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1},
        lightgbm.Dataset(np.zeros((50, 2)), label=[0, 1] * 25, feature_name=["pace", "rate"]),
        3,
    )
    assert "num_leaves=1\n" in checked_trees(nothing.model_to_string())


@given(st.integers(0, WHOLE.index("end of trees") + len("end of trees") - 1))
def test_a_file_that_was_cut_off_is_refused(at: int) -> None:
    with pytest.raises(BadTrees):
        checked_trees(WHOLE[:at])


@given(st.integers(0, 2**32))
def test_whatever_a_file_holds_it_is_checked_or_refused(seed: int) -> None:
    """Some changes do no harm: a threshold is another number."""
    chance, changed = random.Random(seed), bytearray(WHOLE.encode())
    for _ in range(3):
        changed[chance.randrange(len(changed))] = chance.choice(b"0123456789 -=\n.ex")
    with suppress(BadTrees):  # and nothing else
        checked_trees(changed.decode())


def line(key: str, value: str, text: str = WHOLE) -> str:
    """The file with another line in its first tree, which has the size that it says."""
    before = re.search(rf"^{key}=.*$", text, re.MULTILINE)
    assert before is not None
    return resized(text[: before.start()] + f"{key}={value}" + text[before.end() :])


def in_circles() -> str:
    """Each node hangs below one, and five of them below none that hangs below the first."""
    return line("left_child", "-1 2 1 4 5 3", line("right_child", "-2 -3 -4 -5 -6 -7"))


def resized(text: str) -> str:
    blocks = re.findall(r"^Tree=\d+\n.*?\n\n\n", text, re.MULTILINE | re.DOTALL)
    sizes = " ".join(str(len(block)) for block in blocks)
    return re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", text, flags=re.MULTILINE)


def test_the_tests_files_are_refused_for_what_was_changed_alone() -> None:
    assert resized(WHOLE) == WHOLE
    checked_trees(line("shrinkage", "0.5"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (line("left_child", "0 1 2 3 4 5"), "is no tree"),
        (in_circles(), "is no tree"),
        (line("left_child", "1 2 3 4 5 99"), "whole numbers from"),
        (line("left_child", "-1 -1 -1 -1 -1 -1"), "is no tree"),
        (line("left_child", "1 -1"), "is not whole"),
        (line("right_child", "-8 -2 -3 -4 -5 -6"), "whole numbers from"),
        (line("split_feature", "0 1 2 0 1 3"), "whole numbers from 0 to 2"),
        (line("split_feature", "0 1 2"), "whole numbers from 0 to 2"),
        (line("split_feature", "0 1 2 0 1 1.0"), "whole numbers from 0 to 2"),
        (line("decision_type", "2 2 2 2 2 1"), "otherwise than by numbers"),
        (line("decision_type", "2 2 2"), "whole numbers from 0 to 10"),
        (line("threshold", "1 2 3 4 5 nan"), "6 numbers should be"),
        (line("threshold", "1 2 3 4 5 1e999"), "6 numbers should be"),
        (line("threshold", "1 2 3 4 5 1-2"), "6 numbers should be"),
        (line("leaf_value", "1 2 3"), "7 numbers should be"),
        (line("internal_count", "0 1 1 1 1 1"), "whole numbers from 1"),
        (line("num_leaves", "5000000000"), "whole numbers from 1 to 4096"),
        (line("num_leaves", "6"), "numbers should be"),
        (line("num_cat", "1"), "categories"),
        (line("is_linear", "1"), "categories, or is linear"),
        (line("shrinkage", "1\nmore=1"), "not where it should be"),
        (line("shrinkage", "1\nnum_leaves=7"), "twice"),
        (WHOLE.replace("num_class=1", "num_class=2"), "more than one score"),
        (WHOLE.replace("version=v4", "version=v9"), "does not begin as"),
        (WHOLE.replace("max_feature_idx=2", "max_feature_idx=9"), "not as many as it says"),
        (WHOLE.replace("feature_names=recency ", "feature_names="), "not as many as it says"),
        (re.sub("tree_sizes=.*", "tree_sizes=", WHOLE), "whole numbers from"),
        (re.sub("tree_sizes=([0-9]+)", "tree_sizes=1", WHOLE), "not where it should be"),
        (WHOLE.replace("Tree=1\n", "Tree=7\n"), "tree 1 is not where"),
        (WHOLE.replace("end of trees", "end of treas"), "no end"),
        (WHOLE.replace("recency", "récency"), "not ASCII"),
        (saved(objective="regression"), "not binary"),
    ],
)
def test_what_it_would_trip_over_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadTrees) as refused:
        checked_trees(text)
    assert why in str(refused.value)


@pytest.mark.bound("trees and leaves of a model")
def test_a_model_has_so_many_trees_and_a_tree_so_many_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "TREES_MAX", 5)
    monkeypatch.setattr(trees, "LEAVES_MAX", 7)
    checked_trees(WHOLE)
    with pytest.raises(BadTrees, match="more than 5"):
        checked_trees(saved(6))
    with pytest.raises(BadTrees, match="whole numbers from 1 to 7"):
        checked_trees(saved(leaves=8))
