"""The network of the tests beside this one: that it carries what it should, and loses what it is told to."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.faults.network.lab import Host, Lab, missing, why_not

pytestmark = pytest.mark.skipif(bool(missing() or why_not()), reason=f"no network: {missing() or why_not()}")
PORT = 80


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab("a", "b", "c") as lab:
        yield lab


def listening(host: Host) -> socket.socket:
    with host.inside():
        return socket.create_server((host.address, PORT))


def reaches(one: Host, other: Host) -> bool:
    with one.inside():
        try:
            socket.create_connection((other.address, PORT), timeout=0.3).close()
        except TimeoutError:
            return False
        return True


def test_whoever_is_cut_off_is_so_from_some_and_until_it_is_healed(lab: Lab) -> None:
    with listening(lab["b"]), listening(lab["c"]):
        assert reaches(lab["a"], lab["b"])
        lab.cut("a", "b")
        assert not reaches(lab["a"], lab["b"])
        assert reaches(lab["a"], lab["c"]) and reaches(lab["c"], lab["b"])
        lab.heal()
        assert reaches(lab["a"], lab["b"])


def test_what_is_lost_one_way_arrives_the_other(lab: Lab) -> None:
    a, b = lab["a"], lab["b"]
    with listening(b) as listener:
        with a.inside():
            speaker = socket.create_connection((b.address, PORT))
        heard, _ = listener.accept()
        heard.settimeout(0.3)
        speaker.settimeout(0.3)
        with speaker, heard:
            lab.lose("a", "b")
            heard.sendall(b"down")
            assert speaker.recv(9) == b"down"
            speaker.sendall(b"up")
            with pytest.raises(TimeoutError):
                heard.recv(9)
            lab.heal()
            heard.settimeout(10.0)
            assert heard.recv(9) == b"up", "TCP sends it again"


def test_a_thread_is_where_its_starter_was(lab: Lab) -> None:
    addresses: list[str] = []

    def look() -> None:
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with probe:
            try:
                probe.bind((lab["a"].address, 0))
                addresses.append(probe.getsockname()[0])
            except OSError:
                addresses.append("not here")

    with lab["a"].inside():
        look()
        beside = threading.Thread(target=look)
        beside.start()
        beside.join()
    look()
    assert addresses == [lab["a"].address, lab["a"].address, "not here"], "a thread begins where its starter is"
