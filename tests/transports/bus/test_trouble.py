import pytest

from greenroom.transports.bus.carrier import CarrierLost, Trouble
from greenroom.transports.bus.trouble import SAY_AGAIN_S, CarrierHealth


@pytest.mark.parametrize("trouble", ["away", "stalled", "full", "denied", "read_only", "refused"])
def test_each_trouble_is_told_once_a_minute_and_its_end_once(
    trouble: Trouble, capsys: pytest.CaptureFixture[str]
) -> None:
    health = CarrierHealth(3.0)
    health.begun(0.0)
    health.reached("append", 0.0)
    health.reached("read", 0.0)
    for tick in range(100):
        health.lost("append", CarrierLost(trouble, "why"), tick / 10)
        health.lost("read", CarrierLost(trouble, "why"), tick / 10)
    health.reached("append", 10.0)
    health.reached("read", 10.0)
    out = capsys.readouterr().out
    assert out.count(f"bus_{trouble}") == 1
    assert out.count("bus_reached") == 2, "at first, and again"
    health.lost("read", CarrierLost(trouble, "why"), SAY_AGAIN_S)
    assert capsys.readouterr().out.count(f"bus_{trouble}") == 1


def seen(health: CarrierHealth) -> tuple[bool, bool, bool]:
    return health.appends, health.reads, health.absent


def test_it_serves_when_both_sides_do() -> None:
    health = CarrierHealth(3.0)
    health.begun(0.0)
    assert seen(health) == (False, False, False)
    health.reached("read", 1.0)
    assert seen(health) == (False, True, False)
    health.reached("append", 1.0)
    assert seen(health) == (True, True, False)


def test_it_is_absent_once_nothing_could_be_appended_for_long() -> None:
    health = CarrierHealth(3.0)
    health.begun(0.0)
    health.tend(2.9)
    assert seen(health) == (False, False, False)
    health.tend(3.0)
    assert seen(health) == (False, False, True)
    health.reached("append", 3.1)
    assert seen(health) == (True, False, False)
    health.lost("read", CarrierLost("away", "why"), 4.0)
    health.tend(100.0)
    assert seen(health) == (True, False, False), "what is sent still arrives"
