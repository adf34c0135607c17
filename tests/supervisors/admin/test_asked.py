"""Asking all nodes: who does not answer in time, or not understandably, is left out."""

import msgspec
import pytest
import trio
from trio.testing import MockClock

from greenroom.supervisors.admin.asked import ANSWER_S, Asked, ask_nobody
from greenroom.supervisors.admin.local import Local
from greenroom.supervisors.admin.told import AboutEntity, AboutViews, EntityTold, NodeTold, ViewsTold, decode_question
from tests.supervisors.admin.telling import told, told_of_entity

ME, FINE, SILENT, STRANGE = 1, 2, 3, 4


class Me(Local):
    def __init__(self) -> None:
        self.node = ME

    async def of_node(self) -> NodeTold:
        return told(ME)

    def of_entity(self, about: AboutEntity) -> EntityTold:
        return told_of_entity(ME)

    def of_views(self) -> ViewsTold:
        return of_views(ME)


def of_views(node: int) -> ViewsTold:
    return ViewsTold(node=f"{node:016x}", at_s=1.0, started_at_ms=1)


async def ask(node: int, question: bytes, within_s: float) -> bytes | None:
    if node == SILENT:
        await trio.sleep(within_s)
        return None
    if node == STRANGE:
        return b'{"node":5}'
    about = decode_question(question)
    if isinstance(about, AboutViews):
        return msgspec.json.encode(of_views(node))
    return msgspec.json.encode(told_of_entity(node) if isinstance(about, AboutEntity) else told(node))


async def test_all_are_asked_at_once(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    found = await Asked(Me(), ask).nodes([ME, FINE, SILENT, STRANGE])
    assert {node: one.node for node, one in found.items()} == {ME: f"{ME:016x}", FINE: f"{FINE:016x}"}
    assert trio.current_time() - began == pytest.approx(ANSWER_S)
    views = await Asked(Me(), ask).views([ME, FINE, SILENT, STRANGE])
    assert {node: one.node for node, one in views.items()} == {ME: f"{ME:016x}", FINE: f"{FINE:016x}"}


async def test_of_an_entity_its_node_is_asked(autojump_clock: MockClock) -> None:
    asked = Asked(Me(), ask)
    about = AboutEntity("room:a")
    for node in (ME, FINE):
        found = await asked.entity(node, about)
        assert found is not None and found.node == f"{node:016x}"
    assert await asked.entity(SILENT, about) is None
    assert await asked.entity(STRANGE, about) is None


async def test_who_has_no_others_asks_nobody() -> None:
    asked = Asked(Me(), ask_nobody)
    assert list(await asked.nodes([ME])) == [ME]
    assert await asked.entity(FINE, AboutEntity("room:a")) is None
