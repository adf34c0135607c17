"""Models that are swapped while readers go on."""

import os
from pathlib import Path

import pytest
import trio

from greenroom.actors.social.ranking import models as module
from greenroom.actors.social.ranking.experiments import experiment_of
from greenroom.actors.social.ranking.model import Model, read_model
from greenroom.actors.social.ranking.models import LOOK_S, Models, models_of
from greenroom.config.settings import load_settings
from greenroom.config.telemetry.ranking_instruments import RankingInstruments


def write(path: Path, weight: float) -> None:
    beside = path.with_name("beside")
    beside.write_text(f'{{"weights": {{"recency": {weight}}}}}')
    beside.replace(path)


async def version(models: Models, now_s: float, user: str = "ann") -> str:
    model = (await models.choose(user, now_s)).model
    return model.version if model is not None else ""


async def test_a_file_that_has_changed_is_read_again_and_looked_at_now_and_then(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    write(path, 1.0)
    models = Models(path)
    first = await version(models, 100.0)
    assert first.startswith("model@")
    write(path, 2.0)
    assert await version(models, 100.0 + LOOK_S - 0.1) == first, "so soon nobody looks"
    second = await version(models, 100.0 + LOOK_S)
    assert second.startswith("model@") and second != first


async def test_a_file_that_cant_be_used_leaves_what_there_was(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "model.json"
    write(path, 1.0)
    models = Models(path)
    first = await version(models, 0.0)
    path.write_text('{"weights": {"no_such_feature": 1}}')
    assert await version(models, 10.0) == first
    path.unlink()
    assert await version(models, 20.0) == first
    write(path, 1.0)
    assert await version(models, 30.0) == first, "the same bytes are the same version"


async def test_one_that_was_never_there_is_the_light_score(tmp_path: Path) -> None:
    assert await version(Models(tmp_path / "model.json"), 0.0) == ""
    assert await version(Models(), 0.0) == ""


async def test_whoever_reads_meanwhile_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread reads the file; others have what there was."""
    path = tmp_path / "model.json"
    write(path, 1.0)
    models, reading, go_on = Models(path), trio.Event(), trio.Event()

    def slow(path: Path) -> Model:
        trio.from_thread.run_sync(reading.set)
        trio.from_thread.run(go_on.wait)
        return read_model(path)

    monkeypatch.setattr(module, "read_model", slow)
    async with trio.open_nursery() as nursery:  # owner: this test
        nursery.start_soon(version, models, 0.0)
        await reading.wait()
        with trio.fail_after(10):  # it would wait for the thread, which waits for this test
            assert await version(models, LOOK_S * 2) == "", "it has no model yet"
        go_on.set()
    assert (await version(models, 0.0)).startswith("model@")


async def test_each_arm_has_its_model_and_its_name(tmp_path: Path) -> None:
    control, bold = tmp_path / "control.json", tmp_path / "bold.json"
    write(control, 1.0)
    write(bold, 2.0)
    models = Models(control, experiment_of("autumn", {"bold": (30.0, bold), "plain": (30.0, None)}))
    seen: dict[str, str] = {}
    for number in range(100):
        chosen = await models.choose(f"user{number}", 0.0)
        seen[chosen.experiment] = chosen.model.version.partition("@")[0] if chosen.model is not None else ""
    assert seen == {"autumn/bold": "bold", "autumn/plain": "", "autumn/control": "control"}


async def test_the_settings_name_them(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    write(path, 1.0)
    settings = load_settings(ranking_model=path, ranking_experiment="autumn", ranking_arms="plain=100:light")
    chosen = await models_of(settings).choose("ann", 0.0)
    assert chosen.model is None and chosen.experiment == "autumn/plain"
    assert (await version(models_of(load_settings(ranking_model=path)), 0.0)).startswith("model@")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Warnings."""
    told: list[str] = []
    monkeypatch.setattr(module.log, "warning", lambda name, **_: told.append(name), raising=False)
    return told


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> RankingInstruments:
    counts = RankingInstruments()
    monkeypatch.setattr(module, "RANKING", counts)
    return counts


async def test_a_file_that_was_refused_is_told_once(tmp_path: Path, told: list[str]) -> None:
    path = tmp_path / "model.json"
    path.write_text("[]")
    os.utime(path, ns=(1, 1))
    models = Models(path)
    for now_s in (0.0, 10.0, 20.0):
        await models.choose("ann", now_s)
    assert told == ["ranking_model_refused"]


async def test_versions_in_use_and_files_that_cant_be_used_are_counted(
    tmp_path: Path, counts: RankingInstruments, told: list[str]
) -> None:
    path = tmp_path / "model.json"
    write(path, 1.0)
    models = Models(path)
    first = await version(models, 0.0)
    assert counts.ranking_models == {(str(path), first): 1} and counts.ranking_failures[("model",)] == 0
    path.write_text("[]")
    for now_s in (10.0, 20.0):
        await version(models, now_s)
    assert counts.ranking_models == {(str(path), first): 1} and counts.ranking_failures[("model",)] == 1
    assert counts.ranking_unusable == {(str(path), "model"): 1}, "for as long as it is so"
    path.unlink()
    for now_s in (30.0, 40.0):
        await version(models, now_s)
    assert counts.ranking_failures[("model",)] == 2 and told == 2 * ["ranking_model_refused"], "once each"
    write(path, 2.0)
    second = await version(models, 50.0)
    assert counts.ranking_models == {(str(path), second): 1} != {(str(path), first): 1}
    assert counts.ranking_unusable == {}


async def test_files_of_one_name_are_told_apart(tmp_path: Path, counts: RankingInstruments) -> None:
    control, bold = tmp_path / "control" / "model.json", tmp_path / "bold" / "model.json"
    for path, weight in ((control, 1.0), (bold, 2.0)):
        path.parent.mkdir()
        write(path, weight)
    models = Models(control, experiment_of("autumn", {"bold": (50.0, bold)}))
    for number in range(20):
        await models.choose(f"user{number}", 0.0)
    assert {file for file, _ in counts.ranking_models} == {str(control), str(bold)}


async def test_a_version_that_does_not_score_is_chosen_no_more_until_its_file_is_another(
    tmp_path: Path, counts: RankingInstruments, told: list[str]
) -> None:
    """Of two such files each is: what fails at every page is tried at none."""
    control, bold = tmp_path / "control.json", tmp_path / "bold.json"
    write(control, 1.0)
    write(bold, 2.0)
    models = Models(control, experiment_of("autumn", {"bold": (50.0, bold)}))
    users = [f"user{number}" for number in range(20)]
    versions = {await version(models, 0.0, user) for user in users}
    for failing in (*versions, *versions):
        models.gave_none(failing, "no")
    assert told == 2 * ["ranking_scores_failed"], "once each"
    assert len(versions) == 2 and {await version(models, 1.0, user) for user in users} == {""}
    assert {(await models.choose(user, 1.0)).experiment for user in users} == {"autumn/bold", "autumn/control"}
    assert counts.ranking_models == {}
    assert counts.ranking_unusable == {(str(control), "scores"): 1, (str(bold), "scores"): 1}
    write(bold, 3.0)
    assert {await version(models, LOOK_S, user) for user in users} == {"", *(v for _, v in counts.ranking_models)}
    assert counts.ranking_unusable == {(str(control), "scores"): 1}
    write(bold, 2.0)
    assert len({await version(models, 2 * LOOK_S, user) for user in users}) == 2, "what it had before is tried again"


async def test_a_read_that_failed_by_chance_is_tried_again(
    tmp_path: Path, counts: RankingInstruments, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.json"
    write(path, 1.0)
    models = Models(path)

    def fails(path: Path) -> Model:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as broken:
        broken.setattr(module, "read_model", fails)
        for now_s in (0.0, 10.0):
            assert await version(models, now_s) == ""
    assert told == ["ranking_model_refused"] and counts.ranking_failures[("model",)] == 1
    assert counts.ranking_unusable == {(str(path), "model"): 1}
    assert (await version(models, 20.0)).startswith("model@"), "though the file is the same"
    assert counts.ranking_unusable == {}
