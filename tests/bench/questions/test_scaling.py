"""The whole of it once, with few nodes."""

import pytest

from bench.questions.scaling import QUESTION, Scaling, answer
from greenroom.supervisors.cluster.lease import RENEWALS
from greenroom.supervisors.cluster.looking import LOOKS


def test_what_some_nodes_ask_and_say() -> None:
    params = Scaling(nodes=6, entities=1_000, shards=120, seconds=60.0)
    found = answer(params, lambda text, share: None).results
    assert set(QUESTION.figures) == set(found)
    a_node = RENEWALS / 5.0 + 2 * LOOKS / 5.0  # statements: a renewal, and two for each look
    assert found["statements_per_s"] == pytest.approx(6 * a_node, rel=0.1)
    assert found["statements_power"] == pytest.approx(1.0, abs=0.05)
    assert found["messages_per_s"] == 0
    assert found["rows_read_per_s"] < 6 * (6 + 3 + 120 / 60), "what changed hands long ago is not read again"
    for name in ("came", "died", "left"):
        assert 10 <= found[f"{name}_shards"] <= 40
        assert found[f"{name}_wrong_share"] < 0.5
    assert found["came_rows_written"] >= found["came_shards"]
    for name in ("came", "died", "left"):  # a frame to each other node of each hand-over, which moves one shard or more
        assert 5 <= found[f"{name}_messages"] <= 6 * found[f"{name}_shards"]
    assert found["came_s"] < found["died_s"] < 8.0
