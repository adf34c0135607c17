"""The node's own settings: each is read by something, or says that it has no effect."""

import re

import pytest

from greenroom.config.settings.fields import NodeSettings
from greenroom.config.settings.sections import SectionSettings
from tests.test_layers import ORDER, modules

OWN = sorted(NodeSettings.model_fields.keys() - SectionSettings.model_fields.keys())
SOURCES = [path.read_text(encoding="utf-8") for package in ORDER for path in modules(package)]


@pytest.mark.parametrize("name", OWN)
def test_a_setting_is_read_or_says_that_it_has_no_effect(name: str) -> None:
    read = any(re.search(rf"\b(settings|self)\.{name}\b", source) for source in SOURCES)
    meaning = NodeSettings.model_fields[name].description or ""
    assert read is ("no effect" not in meaning)


def test_own_settings_were_found() -> None:
    assert {"host", "lease_s", "nodes"} <= set(OWN) and "gate_backlog" not in OWN
