"""What is counted of ranking, and how many models are told apart."""

import pytest

from greenroom.config.telemetry import exporters
from greenroom.config.telemetry.exporters import Telemetry
from greenroom.config.telemetry.ranking_instruments import MODELS_MAX, RankingInstruments
from tests.config.telemetry.test_exporters import value


def test_each_model_and_arm_has_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = RankingInstruments()
    monkeypatch.setattr(exporters, "RANKING", counts)
    telemetry = Telemetry()
    counts.ordered("trees@1", "autumn/bold", posts=100, seconds=0.002)
    counts.ordered("trees@1", "autumn/bold", posts=40, seconds=0.002)
    counts.ordered("light", "", posts=7, seconds=0.001)
    counts.exposed("trees@1", "autumn/bold")
    counts.failed("model")
    counts.uses("/a/trees.txt", "trees@1")
    counts.uses("/b/trees.txt", "trees@1")
    counts.uses("/a/trees.txt", "trees@2")
    counts.uses("/c/trees.txt", "trees@1")
    counts.uses("/c/trees.txt", "")
    for is_so in (True, False):
        counts.lacks("/a/trees.txt", "model", is_so=is_so)
    counts.lacks("/c/trees.txt", "scores", is_so=True)
    assert value(telemetry, "greenroom_ranked_posts_total", model="trees@1") == 140
    assert value(telemetry, "greenroom_ranked_feeds_total", model="light", experiment="") == 1
    assert value(telemetry, "greenroom_ranking_exposures_total", model="trees@1", experiment="autumn/bold") == 1
    failures = [value(telemetry, "greenroom_ranking_failures_total", what=what) for what in ("model", "scores")]
    assert failures == [1, 0], "what has not failed yet is 0, or its first failure were no increase"
    assert value(telemetry, "greenroom_ranked_order_seconds_count") == 3
    assert counts.ranking_models == {("/a/trees.txt", "trees@2"): 1, ("/b/trees.txt", "trees@1"): 1}
    assert value(telemetry, "greenroom_ranking_unusable", file="/c/trees.txt", what="scores") == 1
    assert len(counts.ranking_unusable) == 1


@pytest.mark.bound("versions of models that metrics tell apart")
def test_so_many_versions_are_told_apart() -> None:
    counts = RankingInstruments()
    for number in range(MODELS_MAX + 2):
        counts.ordered(f"trees@{number}", "", posts=1, seconds=0.001)
    counts.ordered("trees@0", "", posts=1, seconds=0.001)
    assert len(counts.ranked_posts) == MODELS_MAX + 1
    assert (counts.ranked_posts[("trees@0",)], counts.ranked_posts[("other",)]) == (2, 2)
    assert counts.ranked_feeds[("other", "other")] == 2
