import pytest


@pytest.fixture(autouse=True)
def _clean_surroundings(clean_surroundings: None) -> None:
    """Every test of the settings begins without any."""
