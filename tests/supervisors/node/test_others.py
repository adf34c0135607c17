from types import SimpleNamespace
from typing import Any

from greenroom.supervisors.node.others import Others


def test_who_is_alone_tells_nobody_and_knows_of_nobody() -> None:
    others = Others()
    others.moved([1])
    others.gone(7)
    others.announce(7, {1: 2})
    assert (list(others.unreached()), list(others.linked()), others.links(), others.shown()) == ([], [], {}, {})


def test_who_is_joined_tells_the_others() -> None:
    heard: list[object] = []
    joined: Any = SimpleNamespace(
        correspondence=SimpleNamespace(moved=heard.append),
        forget=heard.append,
        announce=lambda owner, terms: heard.append((owner, terms)),
        unreached=lambda: [7],
        linked=lambda: [8],
        links=lambda: {8: "ok"},
        shown=lambda: {"nodes": []},
    )
    others = Others()
    others.joined = joined
    others.moved([1])
    others.gone(7)
    others.announce(8, {1: 2})
    assert heard == [[1], 7, (8, {1: 2})]
    assert (others.unreached(), others.linked(), others.links(), others.shown()) == ([7], [8], {8: "ok"}, {"nodes": []})
