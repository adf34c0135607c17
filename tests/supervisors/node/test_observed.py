from greenroom.supervisors.node.observed import resident_bytes


def test_a_process_takes_some_memory() -> None:
    assert 1 << 20 < resident_bytes() < 1 << 40
