"""The whole of what is known of an entity: for whoever may see content, and for whoever may not."""

import msgspec

from greenroom.actors.life.outgoing import Outgoing, encode_body
from greenroom.actors.model.kinds import Kinds
from greenroom.store.overview.entity import (
    Counts,
    Folded,
    LetterLine,
    OutboxBody,
    Place,
    StoredEntity,
    StoredHead,
    StoredTimer,
)
from greenroom.supervisors.admin.explaining import Explanation, explanation
from greenroom.supervisors.admin.told import Failed
from tests.supervisors.admin.telling import row, told_of_entity
from tests.supervisors.kernel.small_kernel import Log

KINDS = Kinds((Log,))
SECRETS = ("whisper", "timer-of-ann", "secret-state")
STORED = StoredEntity(
    shards=16,
    place=Place(3, 1, 2, "moved", 1_000, "http://1", "up", None, 3.14159),
    head=StoredHead(5, (2 << 32) | 4, 1, 10, "abc", 6, 8, 99, 2_000, 3_000),
    counts=Counts(timers=1, outbox=1, marks=2, kept_ids=3, letters=1),
    timers=[StoredTimer("timer-of-ann", 4_000, b"")],
    outbox=[
        OutboxBody(1, encode_body([Outgoing(1, "log:b", msgspec.Raw(b'{"type":"log.heard","text":"whisper"}'))])),
        OutboxBody(2, None),
        OutboxBody(3, b"no list"),
    ],
    letters=[LetterLine(9, 5_000, "log.heard", 3, True, "whisper failed")],
    views=[
        Folded("board", "view", 2, 1, "live", False, 10, None, None),
        Folded("board", "view", 3, 1, "filling", False, 0, None, None),
        Folded("far", "sink", 1, 1, "live", True, 8, 9, "whisper is not taken"),
    ],
)
TOLD = told_of_entity(
    watchers={f"{1:016x}": 2},
    failures=[Failed(1, "log:a", "restarted", "whisper")],
    state=msgspec.Raw(b'{"text":"secret-state"}'),
)


def explained(*, full: bool) -> Explanation:
    return explanation("log:a", KINDS, STORED, [row()], TOLD, full=full)


def test_all_of_it_is_there() -> None:
    found = explained(full=True)
    assert (found.kind, found.installed, found.durable, found.saga) == ("log", True, True, False)
    assert (found.place.node, found.place.lease_left_s, found.place.term) == (f"{1:016x}", 3.1, 2)
    stored = found.stored
    assert stored is not None and stored.snapshot is not None
    assert (stored.term, stored.activation, stored.offset, stored.trimmed) == (2, 4, 10, 6)
    assert (stored.snapshot.offset, stored.snapshot.bytes) == (8, 99)
    assert [(one.to, one.type) for one in found.outbox] == [
        ("log:b", "log.heard"),
        ("(a row too long to be shown)", None),
        ("(a row that can't be read)", None),
    ]
    assert [one.name for one in found.timers] == ["timer-of-ann"]
    assert found.letters[0].error == "whisper failed" and found.letters[0].wished
    assert found.watchers == {f"{1:016x}": 2}
    assert [(one.name, one.version, one.offset, one.behind) for one in found.views] == [
        ("board", 2, 10, 0),
        ("board", 3, 0, 4),  # of which it is made of what is kept
        ("far", 1, 8, 2),
    ]
    assert (found.views[2].parked, found.views[2].error) == (9, "whisper is not taken")


def test_who_may_not_see_content_is_shown_none() -> None:
    everything = msgspec.json.encode(explained(full=True)).decode()
    machinery = msgspec.json.encode(explained(full=False)).decode()
    assert all(secret in everything for secret in SECRETS)
    assert not [secret for secret in SECRETS if secret in machinery]
    assert "log.heard" in machinery and '"offset":10' in machinery and '"parked":9' in machinery


def test_what_is_not_known_is_said_so() -> None:
    nothing = StoredEntity(shards=0, place=None, head=None, counts=Counts(), timers=[], outbox=[], letters=[])
    found = explanation("other:a", KINDS, nothing, [], None, "nobody owns it", full=True)
    assert (found.installed, found.durable, found.stored, found.told) == (False, None, None, None)
    assert found.told_why == "nobody owns it" and found.place.shard is None
    assert msgspec.json.decode(msgspec.json.encode(found), type=Explanation) == found
