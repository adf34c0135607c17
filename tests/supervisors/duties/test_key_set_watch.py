"""Keys that change while we run."""

import json
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from jwt.algorithms import OKPAlgorithm
from trio.testing import MockClock

from greenroom.supervisors.duties.key_set_watch import KEY_SET_BYTES_MAX, LOOK_S, KeySetWatch
from greenroom.transports.auth.tokens import TokenConfig, TokenInvalid, TokenVerifier
from tests.transports.auth.test_tokens import ED, ED_NEXT, jwk, jwks, signed

OLD = jwks(jwk(ED, kid="old"))
BOTH = jwks(jwk(ED, kid="old"), jwk(ED_NEXT, kid="new"))
NEW = signed(ED_NEXT, "EdDSA", "new", sub="ann")


def put(path: Path, keys: bytes) -> None:
    path.with_suffix(".new").write_bytes(keys)
    path.with_suffix(".new").replace(path)


async def run_until(path: Path, *steps: bytes, by_hand: bool = False) -> tuple[TokenVerifier, list[Any]]:
    """Each of `steps` renamed over the file in its turn, and a minute (or an order to look) after each."""
    put(path, OLD)
    verifier = TokenVerifier(TokenConfig(jwks=OLD), lambda: 1_800_000_000.0)
    watch = KeySetWatch(path, OLD, verifier.replace_jwks)
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            await nursery.start(watch.run)
            for step in steps:
                put(path, step)
                if by_hand:
                    watch.look_now()
                await trio.sleep(0.9 * LOOK_S if by_hand else 60)
            nursery.cancel_scope.cancel()
    return verifier, [log["event"] for log in logs]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.mark.parametrize("by_hand", [False, True])
async def test_a_new_key_counts_within_a_minute_and_the_old_one_still_does(
    autojump_clock: MockClock, path: Path, by_hand: bool
) -> None:
    verifier, events = await run_until(path, BOTH, by_hand=by_hand)
    assert verifier.verify_connection(NEW).user == "ann"
    assert verifier.verify_connection(signed(ED, "EdDSA", "old", sub="ann")).user == "ann"
    assert events == ["key_set_replaced"]


@pytest.mark.parametrize(
    "unusable",
    [
        b"",
        b"{",
        b'{"keys":[]}',
        json.dumps({"keys": [json.loads(OKPAlgorithm.to_jwk(ED))]}).encode(),  # the private key
        b" " * (KEY_SET_BYTES_MAX + 1),
    ],
)
async def test_an_unusable_file_is_told_once_and_the_old_set_stays(
    autojump_clock: MockClock, path: Path, unusable: bytes
) -> None:
    verifier, events = await run_until(path, unusable)
    assert verifier.verify_connection(signed(ED, "EdDSA", "old", sub="ann")).user == "ann"
    with pytest.raises(TokenInvalid):
        verifier.verify_connection(NEW)
    assert events == ["key_set_unusable"]


async def test_it_recovers_from_an_unusable_file(autojump_clock: MockClock, path: Path) -> None:
    verifier, events = await run_until(path, b"{", BOTH)
    assert verifier.verify_connection(NEW).user == "ann"
    assert events == ["key_set_unusable", "key_set_replaced"]


async def test_a_file_that_is_gone_changes_nothing(autojump_clock: MockClock, tmp_path: Path) -> None:
    watch = KeySetWatch(tmp_path / "gone.json", OLD, lambda _: pytest.fail("there is nothing to take"))
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            await nursery.start(watch.run)
            await trio.sleep(60)
            nursery.cancel_scope.cancel()
    assert [log["event"] for log in logs] == ["key_set_unusable"]
