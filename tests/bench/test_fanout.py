from hypothesis import given
from hypothesis import strategies as st

from bench.fanout import KEEP, NEEDLE, Counts


def line(moment: int | None) -> bytes:
    mark = b"" if moment is None else b"@%016x" % moment
    text = b'{"push":{%s"data":{"text":"%s.17.---"},"offset":7}}}' % (NEEDLE, mark)
    return bytes((0x81, 0x7E, 0x40, len(text) & 0x7F)) + text  # 0x40 is "@": a header may hold it


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 2**63)), max_size=12),
    st.lists(st.integers(1, 200), max_size=80),
)
def test_publications_and_marks_are_found_once_however_the_network_cuts_them(
    moments: list[int | None], cuts: list[int]
) -> None:
    stream = b"".join(map(line, moments))
    counts, buffer, found = Counts(), bytearray(KEEP + len(stream)), []
    while stream:
        size = min(cuts.pop() if cuts else len(stream), len(stream))
        buffer[KEEP : KEEP + size] = stream[:size]
        stream = stream[size:]
        found += counts.take(buffer, size)
    assert counts.count == len(moments)
    assert found == [moment for moment in moments if moment is not None]
