"""The entity of docs/guides/jobs/adding.md does what the page says."""

import re
from pathlib import Path
from typing import Any

from greenroom.actors.model.effects import Told
from greenroom.testing import Kit

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "jobs" / "adding.md"
(CODE,) = re.findall(
    r"^```python file=films.py\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


def test_a_film_is_transcoded_once_it_is_uploaded() -> None:
    films: dict[str, Any] = {"__name__": "films"}
    exec(compile(CODE, str(PAGE), "exec"), films)
    kit = Kit(films["Film"], key="alien")
    kit.ask(films["Upload"](), user="ann")
    assert kit.started[0].job == films["Transcode"](video="alien")
    started = Told(f"job:{kit.started[0].id}", films["Upload"](), kit.started[0].about)
    kit.answered(started, {"url": "/films/alien.mp4"})
    assert kit.view() == {"url": "/films/alien.mp4"}
    kit.restart()
    kit.undelivered(started, "job.failed", "no codec")
