import msgspec
import pytest

from greenroom.config.settings import SECTIONS


@pytest.mark.parametrize("section", SECTIONS.values())
def test_defaults_are_within_their_own_bounds_and_every_limit_says_what_it_is(section: type[msgspec.Struct]) -> None:
    values = msgspec.structs.asdict(section())
    assert msgspec.convert(values, section) == section()
    for field in msgspec.structs.fields(section):
        assert field.type.__metadata__[0].description, field.name


@pytest.mark.parametrize("section", SECTIONS.values())
def test_unknown_fields_and_values_out_of_bounds_are_refused(section: type[msgspec.Struct]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no_such_limit": 1}, section)
    for field in section.__struct_fields__:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({field: -1}, section)
