"""Feeds that are ranked on a real server: why, by which model, and what is handed on of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from greenroom.actors.social.ranking.train import Examples
from tests.e2e.server import Server, wait_until

NEWEST_FIRST = '{"weights": {"recency": 5.0}, "intercept": -1.0}'
LONG_FIRST = '{"weights": {"chars": 5.0}, "intercept": -9.0}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranking")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    put(folder, NEWEST_FIRST)
    server = Server(
        GREENROOM_ENTITIES="greenroom.social,greenroom.actors.social.ranking.sink:Exposures",
        GREENROOM_WORK="social:2",
        GREENROOM_RANKING_MODEL=str(folder / "model.json"),
        GREENROOM_RANKING_EXPERIMENT="autumn",
        GREENROOM_RANKING_ARMS="plain=0.01:light",
        GREENROOM_RANKING_EXPOSURES=str(folder / "exposures"),
    )
    server.start()
    yield server
    print(server.log()[-20_000:])
    server.remove()


def put(folder: Path, model: str) -> None:
    beside = folder / "beside"
    beside.write_text(model)
    beside.replace(folder / "model.json")


def read(server: Server) -> Any:
    return server.command("feed:ann", "read", {"order": "ranked"}, user="ann")


def lines(folder: Path) -> list[dict[str, Any]]:
    found = sorted((folder / "exposures").glob("exposures-*.jsonl"))
    return [json.loads(line) for path in found for line in path.read_bytes().splitlines()]


def test_a_feed_is_ranked_explained_and_handed_on(server: Server, folder: Path) -> None:
    server.command("follows:ann", "follow", {"user": "bob"}, user="ann")
    wait_until(lambda: server.request("GET", "/api/feed/ann").body["view"]["follows"] == 1, "ann to follow bob")
    long, short = (
        server.command("feed:bob", "post", {"text": text}, user="bob")["id"] for text in ("long " * 500, "short")
    )
    wait_until(lambda: {one["id"] for one in read(server)["posts"]} >= {long, short}, "both to be in ann's feed")
    page = read(server)
    assert page["ranking"].startswith("model@")

    put(folder, LONG_FIRST)
    wait_until(lambda: read(server)["ranking"] != page["ranking"], "the other model to be in use")
    again = read(server)
    assert [one["id"] for one in again["posts"]] == [long, short], (
        "the longer one goes first now, which was there first"
    )

    why = server.command("feed:ann", "explain", {"post": long}, user="ann")
    assert why["model"] == again["ranking"] and why["score"] == pytest.approx(again["posts"][0]["score"])
    assert [part["feature"] for part in why["parts"]] == ["chars"]

    signals = [{"post": long, "did": "seen", "position": 0}, {"post": short, "did": "seen", "position": 1}]
    server.command("feed:ann", "seen", {"signals": [*signals, {"post": long, "did": "clicked"}]}, user="ann")
    server.command(f"post:{short}", "react", {}, user="ann")
    wait_until(lambda: len(lines(folder)) >= 2, "both events to be handed on")
    shown = next(line for line in lines(folder) if line["type"] == "features.exposed")
    assert shown["entity"] == "features:ann"
    first, second, clicked = shown["data"]["items"]
    assert (first["model"], first["experiment"]) == (again["ranking"], "autumn/control")
    assert first["score"] == pytest.approx(why["score"]) and second["position"] == 1
    assert first["features"]["chars"] == pytest.approx(why["parts"][0]["value"])
    assert (clicked["did"], clicked.get("features")) == ("clicked", None)

    examples = Examples()
    for line in lines(folder):
        examples.add(json.dumps(line).encode())
    assert [(who, good) for who, _, good in examples.labelled()] == [("ann", True), ("ann", True)]
    assert examples.skipped == 0


def test_features_are_nobodys_to_see(server: Server) -> None:
    for user in ("ann", "bob"):
        assert server.request("GET", "/api/features/ann", user=user).status == 403
    assert server.request("POST", "/api/features/ann/observe", {"exposures": []}, user="ann").status == 404
