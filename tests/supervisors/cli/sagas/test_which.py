"""Which sagas are meant by what was said."""

import pytest

from greenroom.supervisors.cli.sagas.which import Which, required, which
from greenroom.supervisors.cli.terminal.plainly import Trouble


def test_names_or_a_filter_or_all() -> None:
    assert which(["a:1", "a:1", "a:2"], "", "", "").names == ("a:1", "a:2")
    assert which(None, "a", "stuck", "30m") == Which((), "a", "stuck", 1_800)
    assert required(which(None, "a", "", ""), "stuck", everything=False).state == "stuck"
    assert required(which(None, "a", "done", ""), "stuck", everything=False).state == "done"
    assert required(which(None, "", "", "", everything=True), "stuck", everything=True) == Which(state="stuck")
    assert required(which(["a:1"], "", "", ""), "stuck", everything=False) == Which(("a:1",))


@pytest.mark.parametrize(
    ("names", "kind", "state", "older", "everything", "said"),
    [
        (["nonsense"], "", "", "", False, "SAGA nonsense"),
        (None, "", "odd", "", False, "--state odd"),
        (None, "", "", "1w", False, "--older 1w"),
        (["a:1"], "a", "", "", False, "say which"),
        (None, "a", "", "", True, "say which"),
        (None, "", "", "", False, "say which"),
    ],
)
def test_what_can_not_be_meant_is_named(
    names: list[str] | None, kind: str, state: str, older: str, everything: bool, said: str
) -> None:
    with pytest.raises(Trouble, match=said) as caught:
        required(which(names, kind, state, older, everything=everything), "stuck", everything=everything)
    assert caught.value.status == 2


def test_age_counts_since_a_saga_has_turned() -> None:
    meant = Which(older_s=60)
    assert meant.fits({"changed_ms": 40_000}, 100_000) and not meant.fits({"changed_ms": 40_001}, 100_000)
