"""The couriers' audit: from what was committed, in the order in which it was, did every effect happen once?

It knows of messages and timers only what lies in the rows, and decides by itself what should have become of them.
"""

from collections import Counter
from typing import Any

import msgspec
from msgspec import Struct, field

from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.store.journal.records import Append, StoredEvent

decode = msgspec.json.decode
GRACE_MS = 5_000  # an occurrence later than this was missed


class Letter(Struct):
    """A message on its way: a parcel, or the report on one."""

    name: str  # its token; of reports with a word before it
    receiver: str
    report: bool  # its sender wants one
    silent: bool  # leaves no event
    number: int  # among all of its sender to its receiver
    seq: int  # among all of its sender
    settled: str = ""  # `got`, `dead`, or `refused`, which its sender hears and is no dead letter then


class Setting(Struct):
    """A clock as it was wound."""

    token: str
    first_ms: int
    every_ms: int  # of cron too; 0 for a single chime
    cron: bool
    missed: str
    deed: str
    last_ms: int = 0  # the occurrence that has chimed

    def due_ms(self) -> int:
        """The next to come, as far as chimes are recorded."""
        return self.after(self.last_ms) if self.last_ms else self.first_ms

    def adjust(self, stored_ms: int) -> None:
        """Fractions of a millisecond are rounded one way or the other."""
        if not self.last_ms and not self.cron and abs(stored_ms - self.first_ms) == 1:
            self.first_ms = stored_ms

    def after(self, at_ms: int) -> int:
        """The first occurrence later than that."""
        if self.cron:
            return (at_ms // self.every_ms + 1) * self.every_ms
        return self.first_ms + ((at_ms - self.first_ms) // self.every_ms + 1) * self.every_ms

    def newest(self, at_ms: int) -> int:
        return self.after(at_ms) - self.every_ms if self.every_ms else self.first_ms

    @property
    def leaves_events(self) -> bool:
        return self.deed not in ("nothing", "fail")


class Pair(Struct):
    """From one office to another, in the order in which they were sent."""

    letters: list[Letter] = field(default_factory=list)
    passed: int = 0  # so many are settled, or leave no trace
    newest: int = -1  # that has come
    seq: int = 0  # of the last


class CourierAudit:
    def __init__(self) -> None:
        self._sent_by: dict[str, Letter] = {}
        self._pairs: dict[tuple[str, str], Pair] = {}
        self._pair_of: dict[str, Pair] = {}
        self._seq: dict[str, int] = {}  # the highest of each sender
        self._clocks: dict[tuple[str, str], Setting] = {}
        self._dead: Counter[str] = Counter()

    # From the database.

    def committed(self, entity: str, append: Append) -> None:
        """See Audit."""
        touched: dict[tuple[str, str], list[str]] = {}
        for event in append.events:
            self._happened(entity, event, touched)
        what = append.consequences
        if what is None:
            assert not touched, f"{touched} handled, and no mark of it"
            self._check_told(append, [])
            return
        for letter in what.letters or ():
            name = _name_of(decode(letter.payload))
            if name is not None:  # not of a clock
                unheard = "Refused" not in letter.error or not self._sent_by[name].report
                assert unheard, f"{name} is a dead letter, though its sender hears of the refusal"
                self._dead[name] += 1
                self._settle(entity, name, "dead", touched)
        sent = [one for row in what.outbox or () for one in decode(row.body)]
        reports = self._sent(entity, sent)
        for name, well in reports.items():
            if self._sent_by[name].silent and well:
                self._settle(entity, name, "got", touched)
            elif not well and not self._sent_by[name].settled:
                self._settle(entity, name, "refused", touched)
        self._check_reports(touched, reports)
        self._check_order(touched)
        self._check_told(append, sent)
        self._check_clocks(entity, append)

    def _happened(self, entity: str, stored: StoredEvent, touched: dict[tuple[str, str], list[str]]) -> None:
        event = decode(stored.payload)
        match event:
            case {"type": "office.got", "token": token}:
                self._settle(entity, token, "got", touched)
            case {"type": "office.reported", "token": token, "by": by, "well": well}:
                self._settle(entity, f"report {token}", "got", touched)
                about = self._sent_by[token]
                assert about.receiver == by, f"{by} reports {token}, which went to {about.receiver}"
                assert (about.settled == "got") is well, f"{token} is {about.settled}, reported {event}"
            case {"type": "office.wound", "clock": clock}:
                self._wound(entity, clock, stored.at_ms)
            case {"type": "office.halted", "name": name}:
                self._clocks.pop((entity, name), None)
            case {"type": "office.chimed", "token": token, "due_ms": due_ms}:
                self._chimed(entity, token, due_ms, stored.at_ms)

    # Messages.

    def _sent(self, sender: str, sent: list[Any]) -> dict[str, bool]:
        """Take note of what lies in the outbox; gives the reports among it: on what, and whether it went well."""
        reports: dict[str, bool] = {}
        for seq, receiver, message, about, _ in sent:
            assert seq > self._seq.get(sender, 0), f"{sender} sends {seq:#x} after {self._seq[sender]:#x}"
            self._seq[sender] = seq
            name = _name_of(message)
            assert name is not None
            assert name not in self._sent_by, f"{name} is sent twice"
            silent = False
            if name.startswith("report "):
                reports[message["about"]] = message["type"] == "actor.answered"
            else:
                assert bool(about) == message["parcel"]["report"]
                silent = message["parcel"]["fate"] == "silent"
            pair = self._pairs.setdefault((sender, receiver), Pair())
            letter = self._sent_by[name] = Letter(name, receiver, bool(about), silent, len(pair.letters), seq)
            pair.letters.append(letter)
            pair.seq = seq
            self._pair_of[name] = pair
        return reports

    def _settle(self, entity: str, name: str, how: str, touched: dict[tuple[str, str], list[str]]) -> None:
        letter = self._sent_by.get(name)
        assert letter is not None, f"{name} came to {entity}, and nobody has sent it"
        assert letter.receiver == entity, f"{name} came to {entity}, sent to {letter.receiver}"
        assert not letter.settled, f"{name} is {how}, and was {letter.settled} before"
        letter.settled = how
        if how == "got" and not letter.silent:
            pair = self._pair_of[name]
            assert letter.number > pair.newest, f"{name} came behind {pair.letters[pair.newest].name}"
            pair.newest = letter.number
        touched.setdefault((name, how), []).append(entity)

    def _check_reports(self, touched: dict[tuple[str, str], list[str]], reports: dict[str, bool]) -> None:
        """What is settled is reported in the same append, if at all."""
        for name, how in touched:
            letter = self._sent_by[name]
            wanted = (how == "got") if letter.report else None
            assert reports.pop(name, None) == wanted, f"{name} is {how}, report wanted: {letter.report}"
        assert not reports, f"{reports} is reported, and did not happen"

    def _check_order(self, touched: dict[tuple[str, str], list[str]]) -> None:
        """Nothing is settled before what the same office has sent the same one earlier."""
        names = {name for name, _ in touched}
        for pair in self._pairs.values():
            letters = pair.letters
            while pair.passed < len(letters):
                letter = letters[pair.passed]
                if not letter.settled and not (letter.silent and not letter.report):
                    break
                names.discard(letter.name)
                pair.passed += 1
        assert not names, f"{sorted(names)} overtook what was sent before"

    def _check_told(self, append: Append, sent: list[Any]) -> None:
        names = {_name_of(one[2]) for one in sent}
        for stored in append.events:
            event = decode(stored.payload)
            if event["type"] == "office.sent":
                missing = {parcel["token"] for parcel in event["parcels"]} - names
                assert not missing, f"{missing} is not in the outbox"

    # Clocks.

    def _wound(self, entity: str, clock: Any, at_ms: int) -> None:
        every_ms = round(clock["every"] * 1000) if clock["every"] else 0
        is_cron = bool(clock["cron"])
        if is_cron:
            every_ms = int(clock["cron"].split()[0].removeprefix("*/")) * 60_000
        first_ms = at_ms + (int(clock["after"] * 1000) if clock["after"] is not None else every_ms)
        if is_cron:
            first_ms = (at_ms // every_ms + 1) * every_ms
        self._clocks[entity, clock["name"]] = Setting(
            clock["token"], first_ms, every_ms, is_cron, clock["missed"], clock["deed"]
        )

    def _chimed(self, entity: str, token: str, due_ms: int, at_ms: int) -> None:
        found = [(key, one) for key, one in self._clocks.items() if key[0] == entity and one.token == token]
        assert found, f"{entity}: {token} chimed, and was stopped, moved or done"
        key, setting = found[0]
        setting.adjust(due_ms)
        expected = setting.due_ms()
        assert due_ms <= at_ms, f"{token} chimed {due_ms - at_ms} ms too early"
        if setting.missed == "all" or not setting.every_ms:
            assert due_ms == expected, f"{token} chimed for {due_ms}, not {expected}"
        else:
            assert due_ms == setting.newest(at_ms) >= expected, f"{token} chimed for {due_ms}, {expected} was due"
        if setting.missed == "skip":
            assert at_ms - due_ms <= GRACE_MS, f"{token} chimed {at_ms - due_ms} ms late"
        setting.last_ms = due_ms
        if not setting.every_ms:
            del self._clocks[key]

    def _check_clocks(self, entity: str, append: Append) -> None:
        """What is set in the rows is what was decided."""
        assert append.consequences is not None
        for name, row in (append.consequences.timers or {}).items():
            setting = self._clocks.get((entity, name))
            if row is None:
                if setting is not None:
                    assert setting.every_ms == 0, f"{entity}: {setting.token} is gone"
                    assert setting.missed == "skip" or not setting.leaves_events, f"{setting.token} never chimed"
                    del self._clocks[entity, name]
                continue
            token = decode(row.body)["message"]["clock"]["token"]
            assert setting is not None and setting.token == token, f"{entity}: {token} is set, not {setting}"
            setting.adjust(row.due_ms)
            if setting.missed == "skip" or not setting.leaves_events:
                assert row.due_ms >= setting.due_ms()
            else:
                assert row.due_ms == setting.due_ms(), f"{token} is due {row.due_ms}, not {setting.due_ms()}"

    # In the end.

    def unsettled(self) -> list[str]:
        """See Audit."""
        return [
            f"{sender}: {letter.name} to {receiver} is not settled"
            for (sender, receiver), pair in self._pairs.items()
            for letter in pair.letters[pair.passed :]
            if not letter.settled and not letter.silent
        ]

    def stored(self, rows: MemoryRows) -> None:
        """See Audit."""
        dead = Counter(name for letter in rows.letters.rows if (name := _name_of(decode(letter.payload))) is not None)
        assert dead == self._dead, f"dead letters: {dead - self._dead} more, {self._dead - dead} missing"
        for (sender, receiver), pair in self._pairs.items():
            mark = rows.by_entity[receiver].marks.get(rows.by_entity[sender].head.id, 0)
            # A clock chimes on while the nodes stop, and what it sends then is delivered after the next start.
            waiting = {sent[0] for body in rows.by_entity[sender].outbox.values() for sent in decode(body)}
            delivered = max((letter.seq for letter in pair.letters if letter.seq not in waiting), default=0)
            assert delivered <= mark <= pair.seq, (
                f"{receiver} has handled {mark:#x} of {sender}, which has sent {pair.seq:#x}, {sorted(waiting)} wait"
            )
        set_now = {
            (entity, name): decode(timer.body)["message"]["clock"]["token"]
            for entity, row in rows.by_entity.items()
            for name, timer in row.timers.items()
        }
        expected = {key: one.token for key, one in self._clocks.items()}
        assert set_now == expected, f"set: {_without(set_now, expected)}, missing: {_without(expected, set_now)}"


def _without(some: dict[Any, str], others: dict[Any, str]) -> list[str]:
    return [f"{key}: {value}" for key, value in some.items() if others.get(key) != value]


def _name_of(message: Any) -> str | None:
    match message:
        case {"parcel": {"token": token}}:
            return str(token)
        case {"about": token}:
            return f"report {token}"
    return None
