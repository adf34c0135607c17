"""All settings of one node, read and checked: every problem at once."""

import os
from collections.abc import Mapping
from typing import Any, Final, Self

from dotenv import dotenv_values
from pydantic import ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from greenroom.config.settings.fields import NodeSettings
from greenroom.config.settings.rules import broken_rules
from greenroom.config.settings.sections import SectionSettings
from greenroom.config.settings.texts import PREFIX, SettingsError, allowed, default_text, refusal, unknown, variable

_ENV_FILE: Final = ".env"


class Settings(NodeSettings):
    """All settings of one node, valid together. Make it with `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=_ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,  # `GREENROOM_REDIS_URL=` in a compose file means unset
        extra="ignore",  # .env may hold other programs' names; load_settings refuses unknown ones of ours
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    @model_validator(mode="wrap")
    @classmethod
    def _all_problems_at_once(cls, values: Mapping[str, object], validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Pydantic stops at the fields; an operator wants to hear of the rules between them in the same run."""
        try:
            settings, wrong = validate(values), dict[str, str]()
        except ValidationError as error:
            names = [str(problem["loc"][0]) for problem in error.errors()]
            wrong = {name: refusal(name, cls.model_fields[name], values.get(name)) for name in names}
            settings = validate({name: value for name, value in values.items() if name not in wrong})
        broken = [f"{variable(name)}: {text}" for name, text in broken_rules(settings) if name not in wrong]
        if wrong or broken:
            raise SettingsError([*wrong.values(), *broken])
        return settings


def load_settings(**overrides: Any) -> Settings:
    """Settings from `overrides` (by field name, such as `port`; None is left out), else the environment, else `.env`.

    Raises: SettingsError, with every problem that was found.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    fields = Settings.model_fields
    try:
        problems = [*unknown([*os.environ, *dotenv_values(_ENV_FILE, encoding="utf-8")], fields)]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{_ENV_FILE}: can't be read as UTF-8 text ({type(error).__name__})"]) from None
    problems += unknown((variable(name) for name in given if name not in fields), fields)
    try:
        settings = Settings(**given)
    except SettingsError as error:
        raise SettingsError([*problems, *error.problems]) from None
    if problems:
        raise SettingsError(problems)
    return settings


def settings_table() -> list[tuple[str, str, str, str]]:
    """(name, default, what is allowed, meaning) of every setting, the node's own first, then the limits by section."""
    fields = Settings.model_fields
    own = [name for name in fields if name not in SectionSettings.model_fields]
    return [
        (variable(name), default_text(fields[name]), allowed(fields[name]), fields[name].description or "")
        for name in (*own, *(name for name in fields if name not in own))
    ]
