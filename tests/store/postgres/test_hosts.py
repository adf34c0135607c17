"""Several hosts in one address."""

import pytest

from greenroom.store.postgres.hosts import hosts_of


def test_hosts_of_an_address() -> None:
    assert hosts_of("postgresql://u:p@a:1,b:2/db") == [("a", 1), ("b", 2)]
    assert hosts_of("postgresql://u:p%2C@a,[::1]:5433/db?x=1") == [("a", 5432), ("::1", 5433)]
    assert hosts_of("postgresql://u@/db?host=/run/a,b&port=1,2") == [("/run/a", 1), ("b", 2)]
    for one in ("postgresql://u@a:1/db", "postgresql://u@/db?host=/run/a", "postgresql:///db", "postgresql://a/db"):
        assert hosts_of(one) == []
    for wrong in ("postgresql://u@a:1,b:x/db", "postgresql://u@a,:2/db", "postgresql://u@/d?host=a,b,c&port=1,2"):
        with pytest.raises(ValueError, match=r"port|literal"):
            hosts_of(wrong)
