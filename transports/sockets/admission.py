"""Admission: who is let in at the door. Decides only; `now` in seconds of any clock that goes on."""

from greenroom.config.limits import GateConfig


class Admission:
    """A bound on open connections and a token bucket on new ones."""

    def __init__(self, config: GateConfig) -> None:
        self._config = config
        self._tokens = float(config.connects_burst)
        self._filled_at = 0.0
        self.open = 0

    def admit(self, now: float) -> bool:
        """Count a new connection in; False when it must be refused."""
        config = self._config
        if self.open >= config.connections_max:
            return False
        self._tokens = min(config.connects_burst, self._tokens + (now - self._filled_at) * config.connects_per_s)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        self.open += 1
        return True

    def leave(self) -> None:
        self.open -= 1
