"""The whole of it once, short, with few clients."""

from bench.questions.cluster import QUESTION, Cluster, answer


def test_two_nodes_are_asked_what_one_is_and_one_asks_the_other() -> None:
    params = Cluster(seconds=0.5, rooms=24, rate=50.0, subscribers=20, messages=50.0, asks=20, ask_rate=50.0, shards=12)
    found = answer(params, lambda text, share: None).results
    assert set(QUESTION.figures) <= set(found)
    assert found["nodes"] == 2
    assert (found["lost"], found["duplicated"], found["reordered"], found["asks_unanswered"]) == (0, 0, 0, 0)
    assert 0 < found["ask_p50_ms"] <= found["ask_p99_ms"]
    assert found["sends_per_s"] > 0 and found["deliveries_per_s"] > 0
