"""Making tokens, for trying things out and for `greenroom token`."""

from collections.abc import Callable, Iterable

import msgspec
from jwt import PyJWS

from greenroom.transports.auth.tokens import TokenConfig, TokenError, TokenVerifier


class TokenSigner:
    """Makes connection tokens for trying things out, with the secret that this node checks them with."""

    def __init__(self, config: TokenConfig, now: Callable[[], float]) -> None:
        """Raises: ValueError when `config` has no secret: a public key can check tokens, not make them."""
        if not config.secret:
            raise ValueError("tokens can be signed only with a secret; with a public key, sign them where its owner is")
        self._secret = config.secret
        self._config = config
        self._now = now
        self._jws = PyJWS(algorithms=["HS256"])

    def connection_token(self, user: str, *, roles: Iterable[str] = (), ttl_s: float | None = None) -> str:
        """A token for `user` ("" is anonymous) that expires `ttl_s` seconds from now; None is never.

        Raises: ValueError when the verifier would refuse it: a user or roles out of bounds, a `ttl_s` of less than 1.
        """
        now = int(self._now())
        claims: dict[str, object] = {"sub": user, "iat": now, self._config.roles_claim: sorted(set(roles))}
        if ttl_s is not None:
            claims["exp"] = now + int(ttl_s)
        if self._config.issuer is not None:
            claims["iss"] = self._config.issuer
        if self._config.audience is not None:
            claims["aud"] = self._config.audience
        token = self._jws.encode(msgspec.json.encode(claims), self._secret, algorithm="HS256")
        try:
            TokenVerifier(self._config, self._now).verify_connection(token)
        except TokenError as error:
            raise ValueError(f"not a usable token: {error}") from None
        return token
