"""The entity of docs/guides/jobs/flows.md does what the page says."""

import re
from pathlib import Path
from typing import Any

from greenroom.actors.jobs.options import decode_options
from greenroom.actors.model.effects import Told
from greenroom.testing import JobKit, Kit

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "jobs" / "flows.md"
(CODE,) = re.findall(
    r"^```python file=publishing.py\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


def test_a_film_is_published_once_its_children_have_ended() -> None:
    films: dict[str, Any] = {"__name__": "publishing"}
    exec(compile(CODE, str(PAGE), "exec"), films)
    kit = Kit(films["Film"], key="alien")
    kit.ask(films["Upload"](), user="ann")
    hd, sd, out = kit.started
    assert out.job == films["Publish"](video="alien")
    options = decode_options(out.row.options)
    assert options is not None and options.waits is not None
    assert [(one.id, one.on_failure, one.is_child, one.queue) for one in options.waits.jobs] == [
        (hd.id, "fail", True, "media"),
        (sd.id, "ignore", True, "media"),
    ]
    kit.answered(Told(f"job:{out.id}", films["Upload"](), out.about), ["alien-1080.mp4"])
    assert kit.view() == {"files": ["alien-1080.mp4"]}


def test_a_film_that_is_split_waits_for_its_parts() -> None:
    split: dict[str, Any] = {"__name__": "splitting"}
    (code,) = re.findall(
        r"^```python file=splitting.py\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    exec(compile(code, str(PAGE), "exec"), split)
    outcome = JobKit(split["Split"], split["Encode"]).run(split["Split"](film="alien"))
    assert outcome.result == ["alien-0.mp4", "alien-1.mp4", "alien-2.mp4"]
    assert (outcome.state, outcome.begun) == ("completed", 2)
