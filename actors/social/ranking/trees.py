"""What a file of LightGBM's trees must hold, looked at before LightGBM reads it.

It trusts its files: one that was cut off, as one is that is still being copied, ends the process. So all that it would
follow is checked here, number by number, and what stands behind the trees is not handed on.
"""

import math
import re
from collections.abc import Mapping

TREES_MAX = 10_000
LEAVES_MAX = 4_096
END = "end of trees"
NUMERICAL = frozenset(("0", "2", "4", "6", "8", "10"))  # of `decision_type`: no categories, all that may be missing
_NUMBER = re.compile(r"[-+]?[0-9][-+.0-9eE]*")
_HEADER = ("num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective", "feature_names")
_LEAF_NUMBERS = ("leaf_value", "leaf_weight", "leaf_count")
_NODE_NUMBERS = ("split_gain", "threshold", "internal_value", "internal_weight", "internal_count")
_NODE_WHOLE = ("split_feature", "decision_type", "left_child", "right_child")
_OTHERS = ("num_leaves", "num_cat", "is_linear", "shrinkage")
_KEYS = frozenset((*_LEAF_NUMBERS, *_NODE_NUMBERS, *_NODE_WHOLE, *_OTHERS))


class BadTrees(Exception):
    """LightGBM is not to read it; the text says why."""


def checked_trees(text: str) -> str:
    """The text as far as LightGBM needs it. Raises: BadTrees."""
    if not text.isascii():  # sizes are bytes
        raise BadTrees("it is not ASCII")
    head, separator, _ = text.partition("\n\nTree=0\n")
    if not separator:
        raise BadTrees("it has no trees")
    features, sizes = _checked_head(head)
    at = len(head) + 2
    for number, size in enumerate(sizes):
        _check_tree(number, text[at : at + size], features)
        at += size
    if not text.startswith(END, at):
        raise BadTrees("it is not whole: behind its trees is no end")
    return text[:at] + END + "\n"


def _checked_head(head: str) -> tuple[int, list[int]]:
    """(number of features, bytes of each tree). Raises: BadTrees."""
    first, *lines = head.split("\n")
    known = _by_key(lines)
    if first != "tree" or known.get("version") not in ("v3", "v4") or not all(known.get(key) for key in _HEADER):
        raise BadTrees("it does not begin as LightGBM's files do")
    if known["objective"].split()[0] != "binary":
        raise BadTrees("its objective is not binary")
    if (known["num_class"], known["num_tree_per_iteration"]) != ("1", "1"):
        raise BadTrees("it has more than one score")
    names, infos = known["feature_names"].split(" "), known.get("feature_infos", "").split(" ")
    if not known["max_feature_idx"] == str(len(names) - 1) == str(len(infos) - 1):
        raise BadTrees("its features are not as many as it says")
    sizes = _whole_numbers(known.get("tree_sizes", ""), 1, len(head) + (64 << 20))
    if not 1 <= len(sizes) <= TREES_MAX:
        raise BadTrees(f"it has no trees, or more than {TREES_MAX}")
    return len(names), sizes


def _check_tree(number: int, text: str, features: int) -> None:
    """Raises: BadTrees."""
    first, *lines = text.strip("\n").split("\n")
    known = _by_key(lines)
    if first != f"Tree={number}" or not text.endswith("\n\n") or not known.keys() <= _KEYS:
        raise BadTrees(f"tree {number} is not where it should be, or not whole")
    if known.get("num_cat") != "0" or known.get("is_linear", "0") != "0":
        raise BadTrees(f"tree {number} has categories, or is linear: ours have numbers alone")
    (leaves,) = _whole_numbers(known.get("num_leaves", ""), 1, LEAVES_MAX, count=1)
    _check_numbers(known.get("shrinkage", "1"), 1)
    if leaves == 1:
        _check_numbers(known.get("leaf_value", ""), 1)
        return
    for key in _LEAF_NUMBERS:
        _check_numbers(known.get(key, ""), leaves)
    for key in _NODE_NUMBERS:
        _check_numbers(known.get(key, ""), leaves - 1)
    for key in ("leaf_count", "internal_count"):
        _whole_numbers(known[key], 1, 1 << 31)  # shares of it are what explains a score
    _whole_numbers(known.get("split_feature", ""), 0, features - 1, count=leaves - 1)
    if not set(known.get("decision_type", "").split(" ")) <= NUMERICAL:
        raise BadTrees(f"tree {number} decides otherwise than by numbers")
    _whole_numbers(known["decision_type"], 0, 10, count=leaves - 1)
    _check_shape(number, leaves, *(_whole_numbers(known.get(key, ""), -leaves, leaves - 2) for key in _NODE_WHOLE[2:]))


def _check_shape(number: int, leaves: int, left: list[int], right: list[int]) -> None:
    """Every node and leaf hangs below one node before it, and only the first below none. Raises: BadTrees."""
    if len(left) != leaves - 1 or len(right) != leaves - 1:
        raise BadTrees(f"tree {number} is not whole")
    children = [child for pair in zip(left, right, strict=True) for child in pair]
    goes_back = any(0 <= child <= node for side in (left, right) for node, child in enumerate(side))
    if goes_back or sorted(children) != [*range(-leaves, 0), *range(1, leaves - 1)]:
        raise BadTrees(f"tree {number} is no tree")


def _by_key(lines: list[str]) -> Mapping[str, str]:
    """Of `key=value`, a line each. Raises: BadTrees."""
    found: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition("=")
        if key in found:
            raise BadTrees(f"it says {key[:40]!r} twice")
        found[key] = value
    return found


def _check_numbers(text: str, count: int) -> None:
    """Raises: BadTrees unless it has so many."""
    numbers = text.split(" ")
    if len(numbers) != count or not all(_NUMBER.fullmatch(one) for one in numbers):
        raise BadTrees(f"it has {text[:40]!r} where {count} numbers should be")
    try:
        finite = all(math.isfinite(float(one)) for one in numbers)
    except ValueError:
        finite = False
    if not finite:
        raise BadTrees(f"it has {text[:40]!r} where {count} numbers should be")


def _whole_numbers(text: str, least: int, most: int, *, count: int | None = None) -> list[int]:
    """Raises: BadTrees."""
    try:
        found = [int(one) for one in text.split(" ") if _NUMBER.fullmatch(one)]
    except ValueError:
        found = []
    wanted = len(text.split(" ")) if count is None else count
    if len(found) != wanted or not all(least <= one <= most for one in found):
        raise BadTrees(f"it has {text[:40]!r} where whole numbers from {least} to {most} should be")
    return found
