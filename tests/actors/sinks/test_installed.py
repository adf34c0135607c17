"""What a sink's class must be."""

from typing import Any

import pytest

from greenroom import Batch, Event, Sink
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.sinks.installed import BadSinkClass, InstalledSink, Sinks, sinks_among
from greenroom.actors.views.installed import Views
from tests.actors.views.shows import Clapped, Show, Standings


class Elsewhere(Event, tag="elsewhere.happened"):
    pass


async def deliver(self: Sink, batch: Batch) -> None:
    pass


def made(name: str = "far", *, version: Any = 1, **fields: Any) -> type[Sink]:
    return type("Far", (Sink,), {"of": (Clapped,), "deliver": deliver} | fields, name=name, version=version)


def test_what_is_known_of_one() -> None:
    installed = InstalledSink(made(), Kinds([Show]))
    assert (installed.name, installed.version, installed.kinds) == ("far", 1, frozenset({"show"}))


@pytest.mark.parametrize(
    ("sink", "why"),
    [
        (made("Far"), "must match"),
        (made("far_v2"), "as tables of versions do"),
        (made(version=0), "`version` is a whole number"),
        (made("show"), "a kind of entities"),
        (made(of=(Elsewhere,)), "no installed entity records Elsewhere"),
        (made(of=Clapped), "add the comma"),
        (made(deliver=lambda self, batch: None), "`async def`"),
        (made(deliver=Sink.deliver), "no `deliver`"),
        (made(since="never"), "`since`"),
        (made(batch_events=0), "`batch_events`"),
        (made(deadline_s=float("inf")), "`deadline_s`"),
        (made(attempts_max="8"), "`attempts_max`"),
    ],
)
def test_what_is_refused(sink: type[Sink], why: str) -> None:
    with pytest.raises(BadSinkClass, match=why):
        Sinks(Kinds([Show]), [sink])


def test_names_are_told_apart() -> None:
    kinds = Kinds([Show])
    with pytest.raises(BadSinkClass, match="another sink"):
        Sinks(kinds, [made(), made()])
    with pytest.raises(BadSinkClass, match="a view"):
        Sinks(kinds, [made("standings")], Views(kinds, [Standings]))
    sinks = Sinks(kinds, [made()])
    assert "far" in sinks and len(sinks) == 1 and sinks.get("other") is None and not Sinks(kinds)


def test_bases_are_none() -> None:
    found = made()
    assert sinks_among([Sink, found, Show]) == [found]
