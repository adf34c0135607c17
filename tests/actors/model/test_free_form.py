"""Free-form JSON is bounded in bytes and in depth."""

import json

import pytest

from greenroom.actors.model.free_form import DEPTH_MAX, fits


@pytest.mark.parametrize("data", [None, 1, "x", [], {}, {"a": [1, {"b": None}]}])
def test_small_data_fits(data: object) -> None:
    assert fits(data, 100)


def test_bytes_are_those_of_the_json() -> None:
    assert fits("é" * 10, 22)
    assert not fits("é" * 10, 21)


@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
def test_depth(brackets: str) -> None:
    opening, closing = brackets[:-1], brackets[-1]

    def nested(depth: int) -> object:
        return json.loads(opening * depth + "1" + closing * depth)

    assert fits(nested(DEPTH_MAX), 10_000)
    assert not fits(nested(DEPTH_MAX + 1), 10_000)
    assert not fits(nested(400), 10_000)
