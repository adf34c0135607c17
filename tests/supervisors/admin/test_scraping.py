"""What a scraper is given that meets one of several nodes at an address."""

import msgspec
import trio
from prometheus_client.parser import text_string_to_metric_families
from trio.testing import MockClock

from greenroom.config.telemetry.exporters import Telemetry
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.ownership.referee import Member
from greenroom.supervisors.admin.asked import ANSWER_S
from greenroom.supervisors.admin.scraping import Scraping, beside, merged
from greenroom.supervisors.admin.told import AboutMetrics, decode_question

HERE, THERE = "http://127.0.0.1:8000/", "http://127.0.0.1:9000/"


def member(incarnation: int, *, url: str = HERE, host: str = "one") -> Member:
    return Member(
        incarnation=incarnation,
        url=url,
        version="1",
        host=host,
        process="p",
        state="up",
        capacity=100,
        is_alone=False,
        left_s=5.0,
        until=5.0,
        shards=1,
    )


class Nodes:
    """Those of one group, by number, each of which has awake as many entities."""

    def __init__(self, *numbers: int) -> None:
        self.instruments = {number: Instruments(awake=number) for number in numbers}
        self.telemetry = {
            number: Telemetry(instruments=instruments, labels={"node_number": str(number)})
            for number, instruments in self.instruments.items()
        }
        self.members = [member(number) for number in numbers]
        self.asked: list[int] = []
        self.silent: set[int] = set()

    async def ask(self, node: int, question: bytes, within_s: float) -> bytes | None:
        self.asked.append(node)
        assert decode_question(question) == AboutMetrics()
        if node in self.silent:
            await trio.sleep(within_s)
            return None
        return self.telemetry[node].scrape()

    def scraping(self, number: int, *, shares_address: bool = True) -> Scraping:
        return Scraping(
            own=self.telemetry[number].scrape,
            me=number,
            members=lambda: self.members,
            ask=self.ask,
            shares_address=shares_address,
            instruments=self.instruments[number],
        )


def awake(text: bytes) -> dict[str, float]:
    """By node, as Prometheus reads it: which has each metric once."""
    families = list(text_string_to_metric_families(text.decode()))
    assert len({family.name for family in families}) == len(families)
    (found,) = [family for family in families if family.name == "greenroom_awake"]
    return {sample.labels["node_number"]: sample.value for sample in found.samples}


async def test_whichever_is_met_answers_for_all(autojump_clock: MockClock) -> None:
    nodes = Nodes(1, 2, 3)
    for number in (1, 2, 3):
        text = await nodes.scraping(number).scrape()
        assert awake(text) == {"1": 1.0, "2": 2.0, "3": 3.0}
        for head in (b"# HELP greenroom_commit_seconds ", b"# TYPE process_cpu_seconds_total "):
            assert text.count(head) == 1
        assert text.count(b'greenroom_commit_seconds_count{node_number="') == 3


async def test_one_that_does_not_answer_is_missing_and_counted(autojump_clock: MockClock) -> None:
    nodes = Nodes(1, 2, 3)
    nodes.silent = {3}
    began = trio.current_time()
    text = await nodes.scraping(1).scrape()
    assert awake(text) == {"1": 1.0, "2": 2.0}
    assert trio.current_time() - began == ANSWER_S
    assert b'greenroom_silent_nodes{node_number="1"} 1.0' in text
    nodes.silent = set()
    assert b'greenroom_silent_nodes{node_number="1"} 0.0' in await nodes.scraping(1).scrape()


async def test_one_that_has_an_address_of_its_own_asks_nobody(autojump_clock: MockClock) -> None:
    nodes = Nodes(1, 2)
    await nodes.scraping(1, shares_address=False).scrape()
    assert nodes.asked == []


def test_others_elsewhere_are_scraped_where_they_are() -> None:
    members = [member(1), member(2, url=THERE), member(3, host="two"), member(4)]
    assert beside(members, 1) == [4]
    assert beside(members, 9) == [], "it has not seen itself yet"
    assert beside([member(1, host=""), member(2, host="")], 1) == [], "nobody can tell on which hosts they are"


def test_what_one_alone_counts_is_there_too() -> None:
    """As between two releases."""
    one = b'# HELP a What.\n# TYPE a gauge\na{n="1"} 1.0\n'
    other = b'# HELP b Else.\n# TYPE b gauge\nb{n="2"} 1.0\n# HELP a Other words.\n# TYPE a gauge\na{n="2"} 2.0\n'
    assert merged([one, other]) == (
        b'# HELP a What.\n# TYPE a gauge\na{n="1"} 1.0\na{n="2"} 2.0\n# HELP b Else.\n# TYPE b gauge\nb{n="2"} 1.0\n'
    )
    assert msgspec.json.decode(msgspec.json.encode(AboutMetrics())) == {"type": "metrics"}
