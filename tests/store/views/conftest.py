"""Where the rows of views are: one suite runs over both."""

import pytest


@pytest.fixture(params=["postgres", "memory"])
def where(request: pytest.FixtureRequest) -> str:
    """See `tables`."""
    return request.param if request.param == "memory" else str(request.getfixturevalue("database_url"))
