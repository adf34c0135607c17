"""Postgres and Valkey of one's own that are reached over a network, each on a host of its own."""

import signal
import subprocess
from pathlib import Path
from typing import Any

from greenroom.store.own.account import as_account
from greenroom.store.own.processes import end
from greenroom.store.own.servers import OwnServers
from tests.faults.network.lab import NET, Host

POSTGRES_PORT, VALKEY_PORT = 5432, 6379


class NetworkServers(OwnServers):
    """See OwnServers: the same, and for everybody on the network."""

    def __init__(self, data_dir: Path, *, postgres: Host, valkey: Host) -> None:
        super().__init__(data_dir, initdb_sync=False, sessions_max=120)
        self._hosts = {"postgres": postgres, "valkey": valkey}
        self._listening = {
            "postgres": ["-c", f"listen_addresses={postgres.address}", "-c", f"port={POSTGRES_PORT}"],
            "valkey": ["--bind", valkey.address, "--port", str(VALKEY_PORT), "--protected-mode", "no"],
        }

    @property
    def network_database_url(self) -> str:
        address = self._hosts["postgres"].address
        return f"postgresql://greenroom@{address}:{POSTGRES_PORT}/greenroom?sslmode=disable"

    @property
    def network_redis_url(self) -> str:
        return f"redis://{self._hosts['valkey'].address}:{VALKEY_PORT}/0"

    def _init_cluster(self) -> None:
        super()._init_cluster()
        rules = self._cluster / "pg_hba.conf"
        rules.write_text(rules.read_text() + f"host all all {NET}.0/24 trust\n")

    def _spawn(self, name: str, command: list[str], *, death_signal: signal.Signals) -> "subprocess.Popen[bytes]":
        with self._hosts[name].inside():
            return super()._spawn(name, [*command, *self._listening[name]], death_signal=death_signal)

    def crash_postgres(self) -> None:
        """It ends at once, without a checkpoint."""
        assert self._postgres is not None
        end(self._postgres, ((signal.SIGQUIT, 15.0),))

    def come_back(self) -> None:
        """Postgres runs again, and answers."""
        self._spawn_postgres()
        self._wait_until_ready("postgres", self._postgres_ready)

    def promote(self) -> None:
        """As if a standby had taken over that has everything: Postgres ends at once, and its folder goes on as another
        timeline."""
        self.crash_postgres()
        (self._cluster / "standby.signal").touch()
        self.come_back()
        tool = [str(self._bin / "pg_ctl"), "promote", "-D", str(self._cluster), "-w", "-t", "30"]
        how: dict[str, Any] = as_account(self._account)
        subprocess.run(tool, check=True, capture_output=True, cwd="/", **how)
