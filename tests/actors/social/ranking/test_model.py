"""Model files: what they score, what they say of it, and which are refused."""

import random
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from greenroom.actors.social.ranking import model as module
from greenroom.actors.social.ranking.model import BadModel, Model, logistic, read_model
from greenroom.actors.social.ranking.values import FEATURES, packed_again

LINEAR = '{"intercept": -1.0, "weights": {"recency": 2.0, "comments": -0.5}}'


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(number: int) -> list[bytes]:
    chance = random.Random(1)
    return [packed_again({name: chance.uniform(0, 3) for name in FEATURES}) for _ in range(number)]


def boosted(objective: str = "binary", names: tuple[str, ...] = FEATURES) -> lightgbm.Booster:
    """That has found that `pace` and `recency` are what counts."""
    chance = np.random.default_rng(1)
    values = chance.uniform(0, 3, (400, len(names))).astype(np.float32)
    good = values[:, 1] + values[:, min(6, len(names) - 1)] > 3
    parameters = {"objective": objective, "verbosity": -1, "num_leaves": 7, "num_threads": 1, "seed": 1}
    return lightgbm.train(parameters, lightgbm.Dataset(values, label=good, feature_name=list(names)), 20)


@pytest.fixture(params=["linear", "boosted"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Model:
    if request.param == "linear":
        return read_model(write(tmp_path, "model.json", LINEAR))
    return read_model(write(tmp_path, "model.txt", boosted().model_to_string()))


def test_a_score_is_the_logistic_function_of_what_features_add(model: Model) -> None:
    many = rows(50)
    scores = model.scores(many)
    assert len(set(scores)) > 10 and all(0 < score < 1 for score in scores)
    for row, score in zip(many, scores, strict=True):
        base, added = model.explained(row)
        assert logistic(base + sum(added.values())) == pytest.approx(score)
    assert model.scores(many[:1]) == [pytest.approx(scores[0])], "alone as among others"


def test_weights_are_added_up(tmp_path: Path) -> None:
    found = read_model(write(tmp_path, "a.json", LINEAR))
    row = packed_again({"recency": 0.5, "comments": 4.0, "shares": 9.0})
    assert found.scores([row]) == [pytest.approx(logistic(-1.0 + 1.0 - 2.0))]
    assert found.explained(row) == (-1.0, {"recency": 1.0, "comments": -2.0})


def test_trees_score_as_their_library_does_with_columns_by_name(tmp_path: Path) -> None:
    names = ("recency", "age_h", "pace")
    booster = boosted(names=names)
    found = read_model(write(tmp_path, "a.txt", booster.model_to_string()))
    many = rows(30)
    columns = [FEATURES.index(name) for name in names]
    values = np.frombuffer(b"".join(many), dtype="<f4").reshape(30, len(FEATURES))[:, columns]
    assert found.scores(many) == pytest.approx(np.asarray(booster.predict(values)).tolist())
    assert set(found.explained(many[0])[1]) == set(names)


def test_a_version_is_the_files_name_and_what_is_in_it(tmp_path: Path) -> None:
    one = read_model(write(tmp_path, "autumn.json", LINEAR)).version
    assert one.startswith("autumn@") and len(one) == len("autumn@") + 8
    assert read_model(write(tmp_path, "autumn.json", LINEAR)).version == one
    assert read_model(write(tmp_path, "autumn.json", LINEAR.replace("2.0", "2.1"))).version != one


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.json", "", "no linear model"),
        ("a.json", "[" * 100_000, "no linear model"),
        ("a.json", b"\xff", "no linear model"),
        ("a.json", '{"weights": {}}', "no feature"),
        ("a.json", '{"weights": {"recency": 1}, "more": 1}', "no linear model"),
        ("a.json", '{"weights": {"no_such": 1}}', "'no_such'"),
        ("a.json", '{"weights": {"recency": 1e300}}', "no number from"),
        ("a.json", '{"weights": {"recency": 1}, "intercept": -1e300}', "no number from"),
        ("a.txt", "", "not to read it"),
        ("a.txt", "tree\nversion=v4\n", "not to read it"),
        ("a.txt", b"\xff", "no text"),
        ("a.pkl", b"\x80\x04.", "not in .json or .txt"),
    ],
)
def test_what_cant_be_scored_with_is_refused(name: str, text: str | bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(BadModel) as refused:
        read_model(write(tmp_path, name, text))
    assert why in str(refused.value)


def test_trees_of_another_objective_or_of_other_features_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="not binary"):
        read_model(write(tmp_path, "a.txt", boosted("regression").model_to_string()))
    with pytest.raises(BadModel, match="'mood'"):
        read_model(write(tmp_path, "b.txt", boosted(names=("recency", "mood")).model_to_string()))


@pytest.mark.bound("bytes of a model file")
def test_a_file_has_so_many_bytes_and_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "a.json", LINEAR)
    monkeypatch.setattr(module, "FILE_BYTES_MAX", len(LINEAR))
    read_model(path)
    monkeypatch.setattr(module, "FILE_BYTES_MAX", len(LINEAR) - 1)
    with pytest.raises(BadModel, match="no file of at most"):
        read_model(path)
    with pytest.raises(OSError):
        read_model(tmp_path)


def test_without_the_library_trees_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "a.txt", boosted().model_to_string())
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    with pytest.raises(BadModel, match=r"greenroom\[ranking\]"):
        read_model(path)


@pytest.mark.parametrize("margin", [-1e9, -700.0, -1.0, 0.0, 1.0, 700.0, 1e9])
def test_no_margin_is_too_much(margin: float) -> None:
    assert 0.0 <= logistic(margin) <= 1.0
    assert logistic(margin) + logistic(-margin) == pytest.approx(1.0)
