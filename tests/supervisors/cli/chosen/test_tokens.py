"""What tokens are checked with, by the settings."""

from pathlib import Path

import pytest

from greenroom.config.settings import load_settings
from greenroom.store.own.data_folder import DataFolder
from greenroom.supervisors.cli.chosen.tokens import token_config, token_verifier
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble

pytestmark = pytest.mark.usefixtures("clean_surroundings")
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----"


def test_a_key_or_a_secret_that_is_set_and_in_local_one_that_is_kept(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text("{}")
    with DataFolder(tmp_path / "data") as folder:
        of_key = token_config(load_settings(auth_public_key=PUBLIC_KEY, auth_secret="s"), folder)
        assert of_key is not None and (of_key.public_key, of_key.secret) == (PUBLIC_KEY, None)
        of_set = token_config(load_settings(auth_jwks_file=str(keys), token_issuer="us"), folder)
        assert of_set is not None and (of_set.jwks, of_set.issuer) == (b"{}", "us")
        of_secret = token_config(load_settings(auth_secret="s"), folder)
        assert of_secret is not None and of_secret.secret == b"s"
        kept = token_config(load_settings(), folder)
        assert kept is not None and kept.secret and kept == token_config(load_settings(), folder)
    assert token_config(load_settings(), None) is None


@pytest.mark.parametrize("name", ["PUBLIC_KEY", "JWKS_FILE"])
def test_an_unusable_key_is_bad_usage_and_names_its_setting(name: str, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{}")
    given = PUBLIC_KEY if name == "PUBLIC_KEY" else str(tmp_path / "keys.json")
    with pytest.raises(Trouble, match=f"GREENROOM_AUTH_{name}: ") as caught:
        token_verifier(load_settings(**{f"auth_{name.lower()}": given}), None)
    assert caught.value.status == BAD_USAGE
