"""Settings as an operator gives them."""

import pytest

from greenroom.config.settings import SettingsError, load_settings

PRODUCTION = {
    "GREENROOM_ENV": "production",
    "GREENROOM_AUTH_SECRET": "correct horse battery staple, and more",
    "GREENROOM_DATABASE_URL": "postgresql://app:hunter2@db/greenroom",
    "GREENROOM_REDIS_URL": "rediss://:hunter3@cache:6380/0",
    "GREENROOM_ALLOWED_ORIGINS": "https://chat.example, https://Admin.example:8443/",
}
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEA\\n-----END PUBLIC KEY-----"


def setenv(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def problems(**overrides: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(**overrides)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return list(caught.value.problems)
