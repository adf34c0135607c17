"""What each error says about a write, and about the wire it came on."""

import asyncpg
import pytest
from asyncpg import exceptions as pg

from greenroom.store.errors import DataRefused, OutcomeLost, StatementRefused, StoreUnavailable, TookTooLong
from greenroom.store.postgres.failures import spoils_wire, translate, was_heard

# Every class of SQLSTATE that asyncpg knows, and what a write that fails so has come to.
CLASSES: dict[str, type[Exception]] = {
    "03": StatementRefused,  # SQL statement not yet complete
    "08": OutcomeLost,  # connection exception
    "09": StatementRefused,  # triggered action exception
    "0A": StatementRefused,  # feature not supported: a plan outlived its schema, too
    "0B": StatementRefused,  # invalid transaction initiation
    "0F": StatementRefused,  # locator exception
    "0L": StatementRefused,  # invalid grantor
    "0P": StatementRefused,  # invalid role specification
    "0Z": StatementRefused,  # diagnostics exception
    "10": DataRefused,  # XQuery error
    "20": StatementRefused,  # case not found
    "21": DataRefused,  # cardinality violation
    "22": DataRefused,  # data exception
    "23": DataRefused,  # integrity constraint violation
    "24": StatementRefused,  # invalid cursor state
    "25": StoreUnavailable,  # invalid transaction state: a standby by now, too
    "26": StoreUnavailable,  # invalid SQL statement name: the session has lost it
    "27": DataRefused,  # triggered data change violation
    "28": StatementRefused,  # invalid authorization specification
    "2B": StatementRefused,  # dependent privilege descriptors still exist
    "2D": StatementRefused,  # invalid transaction termination
    "2F": StatementRefused,  # SQL routine exception
    "34": StatementRefused,  # invalid cursor name
    "38": StatementRefused,  # external routine exception
    "39": StatementRefused,  # external routine invocation exception
    "3B": StatementRefused,  # savepoint exception
    "3D": StatementRefused,  # invalid catalog name
    "3F": StatementRefused,  # invalid schema name
    "40": StoreUnavailable,  # transaction rollback: deadlock, serialization
    "42": StatementRefused,  # syntax error or access rule violation: a schema of another revision, too
    "44": DataRefused,  # WITH CHECK OPTION violation
    "53": StoreUnavailable,  # insufficient resources: disk, memory, connections
    "54": DataRefused,  # program limit exceeded
    "55": StoreUnavailable,  # object not in prerequisite state: a lock, too
    "57": StoreUnavailable,  # operator intervention
    "58": StoreUnavailable,  # system error: I/O
    "72": StoreUnavailable,  # snapshot too old
    "F0": StatementRefused,  # configuration file error
    "HV": StatementRefused,  # foreign data wrapper error
    "P0": StatementRefused,  # PL/pgSQL error
    "XX": StatementRefused,  # internal error
}
# Where a code is unlike its class.
CODES: dict[str, type[Exception]] = {
    "40003": OutcomeLost,  # statement completion unknown
    "57014": TookTooLong,  # query canceled
    "57P01": OutcomeLost,  # admin shutdown
    "57P02": OutcomeLost,  # crash shutdown
    "57P03": OutcomeLost,  # cannot connect now
    "57P04": OutcomeLost,  # database dropped
    "57P05": OutcomeLost,  # idle session timeout
    "XX001": DataRefused,  # data corrupted
    "XX002": DataRefused,  # index corrupted
}
NO_ERRORS = ("01", "02")  # warning, no data
KNOWN = sorted(
    code
    for code in (getattr(one, "sqlstate", None) for one in vars(pg).values())
    if isinstance(code, str) and code[:2] not in NO_ERRORS
)


def said(code: str, severity: str = "ERROR") -> asyncpg.PostgresError:
    """What asyncpg raises when the server says so."""
    error: asyncpg.PostgresError = asyncpg.PostgresError.new({"C": code, "V": severity, "S": severity, "M": "x"})
    return error


@pytest.mark.parametrize("code", [*KNOWN, *CODES])
def test_an_error_of_the_server_is_judged_by_its_class(code: str) -> None:
    expected = CODES.get(code, CLASSES[code[:2]])
    assert type(translate(said(code), write=True)) is expected
    read = translate(said(code), write=False)
    assert type(read) is (StoreUnavailable if expected is OutcomeLost else expected)


@pytest.mark.parametrize("of_class", CLASSES)
def test_a_code_that_asyncpg_does_not_know_is_judged_by_its_class_too(of_class: str) -> None:
    error = said(f"{of_class}ZZZ")
    assert type(error) is pg.UnknownPostgresError
    assert type(translate(error, write=True)) is CLASSES[of_class]


@pytest.mark.parametrize("code", ["22012", "54000", "57014", "XX000", "XX001"])
def test_what_ends_the_session_may_have_come_after_the_commit(code: str) -> None:
    for severity in ("FATAL", "PANIC"):
        assert type(translate(said(code, severity), write=True)) is OutcomeLost
        assert spoils_wire(said(code, severity))
    assert not spoils_wire(said(code))


def test_what_is_no_error_of_the_server() -> None:
    for unknown in (
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
        ConnectionResetError(),
        EOFError(),
    ):
        assert type(translate(unknown, write=True)) is OutcomeLost
        assert type(translate(unknown, write=False)) is StoreUnavailable
        assert spoils_wire(unknown)
    assert translate(asyncpg.InterfaceError("the server expects 1 argument"), write=True) is None


def test_only_what_the_server_says_was_heard() -> None:
    """asyncpg raises errors by the server's names itself, as for an argument that does not fit its type."""
    own = asyncpg.DataError("invalid input for query argument $1")
    assert type(translate(own, write=True)) is DataRefused and not spoils_wire(own)
    assert was_heard(said("22012")) and was_heard(said("57P01", "FATAL"))
    for silent in (own, asyncpg.InterfaceError("connection is closed"), ConnectionResetError()):
        assert not was_heard(silent)
