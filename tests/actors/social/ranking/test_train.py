"""What was shown and liked becomes a model that finds why it was liked."""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from greenroom.actors.model.message import Event, tag_of
from greenroom.actors.social.ranking import train as module
from greenroom.actors.social.ranking.events import EngagedWith, Exposed, Shown
from greenroom.actors.social.ranking.model import read_model
from greenroom.actors.social.ranking.order import ranked
from greenroom.actors.social.ranking.train import CantTrain, Examples, auc, is_held_out, main, train
from greenroom.actors.social.ranking.values import logged
from tests.actors.social.ranking.made import HOUR_MS, NOW_MS, candidate, post, reader

DAY_MS = 24 * HOUR_MS


def line(entity: str, event: Event, at_ms: int = NOW_MS) -> bytes:
    data = msgspec.to_builtins(event)
    del data["type"]
    return msgspec.json.encode({"entity": entity, "type": tag_of(type(event)), "at": at_ms, "data": data})


def world(signal: bool, seed: int = 1) -> Iterator[bytes]:
    """150 readers who are shown 20 posts each, and like those with pictures: a thing that the light score knows
    nothing of. Without a signal they like as they please."""
    chance, one = random.Random(seed), reader()
    for number in range(150):
        me = f"features:user{number}"
        for at in range(20):
            shown = candidate(at, media=chance.random() < 0.5, age_h=chance.uniform(0, 30), chars=chance.randint(0, 99))
            item = Shown(post=shown.post, author="bob", did="seen", features=logged(one.packed(shown)))
            yield line(me, Exposed(items=[item]))
            wanted = (0.7 if shown.media else 0.1) if signal else 0.4
            if chance.random() < wanted:
                yield line(me, EngagedWith(author="bob", post=shown.post, did="like"), NOW_MS + 1000)


def test_a_signal_that_is_known_is_found(tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    report = train(world(signal=True), path, threads=1)
    assert report.written and report.auc > 0.7 and report.auc > report.auc_light + 0.1
    assert report.features[0] == "media" and report.examples == 3_000 and 500 < report.held_out < 900
    model = read_model(path)
    made = ranked([candidate(1, "bob"), candidate(2, "cat", media=1, age_h=20)], now_ms=NOW_MS, model=model)
    assert [one.post for one in made] == [post(2), post(1)], "it is ranked by what was learnt"
    _, added = model.explained(made[0].values)
    assert max(added, key=lambda name: abs(added[name])) == "media"
    assert list(tmp_path.iterdir()) == [path], "put in its place whole"


def test_where_there_is_no_signal_no_model_is_written(tmp_path: Path) -> None:
    report = train(world(signal=False), tmp_path / "model.txt", auc_min=0.6, threads=1)
    assert report.auc < 0.6 and not report.written and not list(tmp_path.iterdir())


def test_too_little_to_learn_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(CantTrain, match="0 posts were shown"):
        train([], tmp_path / "model.txt")
    with pytest.raises(CantTrain):
        train(list(world(signal=True))[:100], tmp_path / "model.txt")


def test_it_runs_from_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = list(world(signal=True))
    paths = [tmp_path / name for name in ("b.jsonl", "a.jsonl")]
    paths[0].write_bytes(b"\n".join(whole[2000:]) + b"\n" + whole[0][:40])  # torn
    paths[1].write_bytes(b"\n".join(whole[:2500]) + b"\n")  # some of it twice
    assert main([*map(str, paths), str(tmp_path / "model.txt"), "--threads", "1"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["written"] and report["examples"] == 3_000 and report["skipped"] == 1
    assert main([str(tmp_path / "none.jsonl"), str(tmp_path / "other.txt")]) == 1
    assert "nothing was written" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(paths[0]), "model.pkl"])


def seen(number: int, **features: float) -> Shown:
    return Shown(post=post(number), author="bob", did="seen", features=features)


def did(number: int, what: str, ms: int = 0) -> Exposed:
    return Exposed(items=[Shown(post=post(number), author="bob", did=what, ms=ms)])  # type: ignore[arg-type]


def labels(*lines: bytes) -> dict[str, bool]:
    examples = Examples()
    for one in lines:
        examples.add(one)
    return {f"{who}/{values.hex()[:8]}": good for who, values, good in examples.labelled()}


def good(*events: tuple[Event, int]) -> bool:
    """Is the one post that was shown a good one, whichever way the lines come?"""
    lines = [line("features:ann", Exposed(items=[seen(1, age_h=1.0)]))]
    lines += [line("features:ann", event, NOW_MS + later_ms) for event, later_ms in events]
    ((one, found),) = labels(*lines).items()
    assert labels(*reversed(lines)) == {one: found}
    assert labels(*lines, *lines) == {one: found}
    return found


def test_what_makes_a_good_example() -> None:
    like = EngagedWith(author="bob", post=post(1), did="like")
    assert not good()
    assert good((like, 0)) and good((like, DAY_MS)) and not good((like, DAY_MS + 1)) and not good((like, -1))
    assert good((did(1, "clicked"), 5)) and not good((did(2, "clicked"), 5))
    assert good((did(1, "dwelt", 10_000), 5)) and not good((did(1, "dwelt", 9_999), 5))
    assert not good((like, 5), (did(1, "hid"), 9))


def test_what_was_shown_twice_counts_as_it_was_first_shown() -> None:
    first = line("features:ann", Exposed(items=[seen(1, age_h=1.0)]), NOW_MS)
    later = line("features:ann", Exposed(items=[seen(1, age_h=2.0)]), NOW_MS + 5)
    others = line("features:cat", Exposed(items=[seen(1, age_h=2.0), seen(2)]), NOW_MS)
    for lines in ((first, later, others), (later, first, others)):
        assert labels(*lines) == {"ann/0000803f": False, "cat/00000040": False}


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"[]", b"\xff", b"{", line("a:b", Exposed(items=[]))[:-9], b'{"type": "features.exposed"}']
)
def test_a_line_that_is_none_of_ours_is_passed_over(text: bytes) -> None:
    examples = Examples()
    examples.add(text)
    assert examples.skipped == 1


@pytest.mark.bound("examples that training keeps")
def test_beyond_so_many_examples_others_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXAMPLES_MAX", 2)
    made = line("features:ann", Exposed(items=[seen(number, age_h=float(number)) for number in (1, 2, 3)]))
    assert len(labels(made)) == 2


def test_no_reader_is_learnt_from_and_judged_by() -> None:
    readers = [f"user{number}" for number in range(1_000)]
    held = [one for one in readers if is_held_out(one)]
    assert 120 < len(held) < 280 and held == [one for one in readers if is_held_out(one)]


def test_the_area_under_the_curve() -> None:
    assert auc([False, True], [0.1, 0.2]) == 1.0 and auc([True, False], [0.1, 0.2]) == 0.0
    assert auc([True, False, True, False], [0.5] * 4) == 0.5
    assert auc([False, True, False, True], [0.1, 0.4, 0.35, 0.3]) == pytest.approx(0.75)


def test_without_the_library_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    assert main([str(tmp_path / "none.jsonl"), str(tmp_path / "model.txt")]) == 1
