from hypothesis import example, given
from hypothesis import strategies as st

from bench.load.counts import RUN_TEXT, Counts, Space


def frame(moment: int | None) -> bytes:
    mark = b"" if moment is None else b"^%016x" % moment
    text = b'{"push":{"pub":{"data":{"text":"%s%s.17.@-@@-@@@."},"offset":7}}}' % (RUN_TEXT, mark)
    return bytes((0x81, 0x7E, 0x40, 0x5E)) + text  # "@" and "^": a header may hold them


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 2**63)), max_size=12),
    st.lists(st.integers(1, 200), max_size=80),
)
@example([None, 5], [1] * 1_000)
def test_messages_and_marks_are_found_once_however_the_network_cuts_them(
    moments: list[int | None], cuts: list[int]
) -> None:
    stream = b"".join(map(frame, moments))
    counts, space, found = Counts(), Space(4_096), []
    cuts = list(cuts)
    while stream:
        size = min(cuts.pop() if cuts else len(stream), len(stream))
        space.open[:size] = stream[:size]
        stream = stream[size:]
        found += counts.take(space, size)
    assert counts.count == len(moments)
    assert found == [moment for moment in moments if moment is not None]


def test_one_buffer_serves_many_connections() -> None:
    whole, space = frame(3), Space(4_096)
    both = Counts(), Counts()
    for cut in range(1, len(whole)):
        for piece in (whole[:cut], whole[cut:]):
            for counts in both:
                space.open[: len(piece)] = piece
                counts.take(space, len(piece))
    assert [counts.count for counts in both] == [len(whole) - 1] * 2
