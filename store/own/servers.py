"""Postgres and Valkey of one's own: child processes from wheels, in the data folder, on unix sockets only.

For a server that was given no database. The same code path as production from there on: whoever uses the two URLs
can't tell. The servers are to live as long as this process and no longer:

- the kernel signals them when the thread that started them ends (PR_SET_PDEATHSIG), even by SIGKILL; so `start` and
  `ensure_running` are for the main thread alone. What a platform without that leaves behind, the next start stops by
  its pid.
- they get a session of their own, so that a Ctrl-C meant for us does not reach them before we have flushed.

As root, which Postgres refuses to be, both run as `postgres` or `nobody`.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import structlog

from greenroom.store.own.account import account_name, as_account, unprivileged_account
from greenroom.store.own.data_folder import SETTING
from greenroom.store.own.errors import OwnServerFailed
from greenroom.store.own.folders import check_reached, give, let_in, read_lines, replace_text, short_run_dir
from greenroom.store.own.processes import die_with_parent, end, end_pid, environment, pid_in, runs, taken
from greenroom.store.own.programs import postgres_bin, valkey_binary
from greenroom.store.own.server_settings import POSTGRES_SETTINGS, VALKEY_SETTINGS

log = structlog.get_logger("greenroom.own_servers")

SESSIONS_MIN = 50
START_S = 60.0  # crash recovery included
INITDB_S = 120.0
STOP_POSTGRES_S = 15.0  # a fast shutdown writes a checkpoint: at most shared_buffers
STOP_VALKEY_S = 3.0
SOCKET_BYTES_MAX = 100  # a socket's path may have 107 on Linux, 103 on macOS
PROGRAMS_ELSEWHERE = (
    "install Greenroom where that account can reach it, or set GREENROOM_DATABASE_URL and GREENROOM_REDIS_URL"
)
LOG_BYTES_MAX = 4 << 20  # then it starts anew, with one old file kept


class OwnServers:
    """Postgres and Valkey in `data_dir`, which the caller has locked (DataFolder). Blocking; for the main thread."""

    def __init__(
        self,
        data_dir: Path,
        *,
        sessions_max: int = SESSIONS_MIN,
        initdb_sync: bool = True,
        start_s: float = START_S,
    ) -> None:
        """`sessions_max`: of Postgres, for nodes and for others that look into it."""
        self._data_dir = data_dir.absolute()
        self._sessions_max = max(sessions_max, SESSIONS_MIN)
        self._initdb_sync = initdb_sync
        self._start_s = start_s
        self._cluster = self._data_dir / "postgres"
        self._bin = postgres_bin()
        self._account = unprivileged_account(self._cluster)
        self._run_dir = self._data_dir / "run"
        self._run_dir_is_temporary = False
        self._postgres: subprocess.Popen[bytes] | None = None
        self._valkey: subprocess.Popen[bytes] | None = None

    @property
    def database_url(self) -> str:
        """For asyncpg; valid once started."""
        return _database_url(str(self._run_dir))

    @property
    def running_database_url(self) -> str | None:
        """Of the Postgres that another process runs in this folder, by its own word; None when it runs none."""
        lines = read_lines(self._cluster / "postmaster.pid")
        ready = len(lines) >= 8 and lines[7].strip() == "ready"
        return _database_url(lines[4].strip()) if ready else None

    @property
    def redis_url(self) -> str:
        """As GREENROOM_REDIS_URL; valid once started."""
        return f"unix://{quote(str(self._valkey_socket), safe='/')}"

    def start(self) -> tuple[str, str]:
        """Make the database cluster if there is none, start both and wait until they answer; their URLs.

        Raises: OwnServerFailed. What did start is stopped again then.
        """
        self.launch()
        return self.answering()

    def launch(self) -> None:
        """The first half of `start`: returns when both processes run, a while before they answer.

        Raises: OwnServerFailed. What did start is stopped again then.
        """
        try:
            self._prepare_folders()
            self._stop_orphans()
            if not self._cluster.exists():
                self._init_cluster()
            self._check_version()
            self._spawn_postgres()
            self._spawn_valkey()
        except BaseException:
            self.stop()
            raise

    def answering(self) -> tuple[str, str]:
        """The second half of `start`: wait until those launched answer; their URLs. Raises: OwnServerFailed."""
        try:
            self._wait_until_ready("postgres", self._postgres_ready)
            self._wait_until_ready("valkey", self._valkey_socket.exists)
        except BaseException:
            self.stop()
            raise
        return self.database_url, self.redis_url

    def poll(self) -> list[str]:
        """The names of those that have died: "postgres", "valkey". Never blocks."""
        servers = (("postgres", self._postgres), ("valkey", self._valkey))
        return [name for name, process in servers if process is not None and process.poll() is not None]

    def ensure_running(self) -> list[str]:
        """Start those again that have died; their names. Does not wait until they answer: connections mend themselves.

        Takes the milliseconds of a fork. The caller paces it: a server that dies at once would be started on each call.
        """
        dead = self.poll()
        for name in dead:
            process = self._postgres if name == "postgres" else self._valkey
            log.warning("own_server_restarted", server=name, exit_status=process.returncode if process else None)
            if name == "postgres":
                self._spawn_postgres()
            else:
                self._spawn_valkey()
        return dead

    def restart_postgres(self, *, crash: bool = False) -> None:
        """Stop it (with `crash`, without a checkpoint), start it again and wait until it answers."""
        if self._postgres is not None:
            end(self._postgres, ((signal.SIGQUIT if crash else signal.SIGINT, STOP_POSTGRES_S),))
        self._spawn_postgres()
        self._wait_until_ready("postgres", self._postgres_ready)

    def restart_valkey(self) -> None:
        """Stop it, start it again, empty, and wait until it answers."""
        if self._valkey is not None:
            end(self._valkey, ((signal.SIGTERM, STOP_VALKEY_S),))
        self._spawn_valkey()
        self._wait_until_ready("valkey", self._valkey_socket.exists)

    def stop(self) -> None:
        """End both: about a second, at most the sum of the stop times. Safe to call again, and before `start`."""
        valkey, self._valkey = self._valkey, None
        postgres, self._postgres = self._postgres, None
        if valkey is not None:
            end(valkey, ((signal.SIGTERM, STOP_VALKEY_S),))
        if postgres is not None:
            end(postgres, ((signal.SIGINT, STOP_POSTGRES_S), (signal.SIGQUIT, 5.0)))
        if self._run_dir_is_temporary:
            shutil.rmtree(self._run_dir, ignore_errors=True)

    # Folders and accounts

    @property
    def _valkey_socket(self) -> Path:
        return self._run_dir / "valkey.sock"

    @property
    def _valkey_pid_file(self) -> Path:
        return self._data_dir / "valkey" / "valkey.pid"

    def _prepare_folders(self) -> None:
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if len(os.fsencode(self._run_dir / ".s.PGSQL.5432")) > SOCKET_BYTES_MAX:
            self._run_dir, self._run_dir_is_temporary = short_run_dir(self._data_dir, self._account), True
        if self._account is not None:
            for program in (self._bin / "postgres", valkey_binary()):
                check_reached(program, self._account, PROGRAMS_ELSEWHERE)
            check_reached(self._data_dir, self._account, f"choose a folder within its reach with {SETTING}")
            let_in(self._data_dir, self._account)
            check_reached(self._run_dir, self._account, f"choose a folder with a shorter path with {SETTING}")
        for folder in (self._run_dir, self._data_dir / "valkey"):
            give(folder, self._account)

    def _write(self, path: Path, lines: list[str]) -> None:
        replace_text(path, "".join(f"{line}\n" for line in lines), self._account)

    def _init_cluster(self) -> None:
        """Made aside and renamed, so that one interrupted midway is never taken for a whole one."""
        log.info("own_postgres_created", folder=str(self._cluster), note="the first start takes a few seconds longer")
        unfinished = self._data_dir / "postgres.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        give(unfinished, self._account)
        sync = () if self._initdb_sync else ("--no-sync",)
        self._tool(
            "initdb",
            *("-D", str(unfinished), "-U", "greenroom", "-E", "UTF8", "--locale=C", "--no-instructions", *sync),
            *("--auth-local=peer", "--auth-host=reject"),
        )
        # One line of access: whoever may read our memory anyway (this account) may connect, and nobody over TCP.
        self._write(unfinished / "pg_hba.conf", ["local all all peer map=greenroom"])
        self._write(unfinished / "pg_ident.conf", [f"greenroom {account_name()} greenroom"])
        own = unfinished / "postgresql.conf"
        self._write(own, [*read_lines(own), "include_if_exists = 'greenroom.conf'  # written anew at each start"])
        self._tool("postgres", "--single", "-D", str(unfinished), "postgres", stdin=b"CREATE DATABASE greenroom;\n")
        unfinished.rename(self._cluster)

    def _check_version(self) -> None:
        version = "".join(read_lines(self._cluster / "PG_VERSION")[:1]).strip()
        answer = subprocess.run([self._bin / "postgres", "--version"], capture_output=True, text=True, check=True)
        ours = answer.stdout.split()[-1].split(".")[0]
        if version != ours:
            raise OwnServerFailed(
                f"{self._cluster} was made by Postgres {version}, and this is Postgres {ours}: "
                "dump it with the old version and load it with this one"
            )

    def _tool(self, name: str, *args: str, stdin: bytes = b"") -> None:
        try:
            done = subprocess.run(
                [self._bin / name, *args],
                input=stdin,
                capture_output=True,
                timeout=INITDB_S,
                env=environment(),
                cwd="/",
                preexec_fn=die_with_parent(signal.SIGKILL),  # or it would go on in a folder that our successor clears
                **as_account(self._account),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OwnServerFailed(f"{name}: {error}") from error
        if done.returncode != 0:
            raise OwnServerFailed(f"{name} failed: {done.stderr.decode(errors='replace')[-2_000:]}")

    # Processes

    def _spawn_postgres(self) -> None:
        settings = {
            **POSTGRES_SETTINGS,
            "max_connections": str(self._sessions_max),
            "unix_socket_directories": f"'{self._run_dir}'",
        }
        self._write(self._cluster / "greenroom.conf", [f"{key} = {value}" for key, value in settings.items()])
        self._write(self._cluster / "pg_ident.conf", [f"greenroom {account_name()} greenroom"])
        # SIGINT is a fast shutdown: its checkpoint is shorter than replaying up to max_wal_size at the next start.
        command = [str(self._bin / "postgres"), "-D", str(self._cluster)]
        self._postgres = self._spawn("postgres", command, death_signal=signal.SIGINT)

    def _spawn_valkey(self) -> None:
        settings = {**VALKEY_SETTINGS, "unixsocket": str(self._valkey_socket), "dir": str(self._data_dir / "valkey")}
        command = [str(valkey_binary())]
        for key, value in settings.items():
            command += [f"--{key}", value]
        self._valkey_socket.unlink(missing_ok=True)  # so that its appearance means the new one is ready
        self._valkey = self._spawn("valkey", command, death_signal=signal.SIGTERM)
        self._write(self._valkey_pid_file, [str(self._valkey.pid)])

    def _spawn(self, name: str, command: list[str], *, death_signal: signal.Signals) -> subprocess.Popen[bytes]:
        path = self._data_dir / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=environment(),
                start_new_session=True,
                preexec_fn=die_with_parent(death_signal),
                **as_account(self._account),
            )

    def _wait_until_ready(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._start_s
        respawns = 20  # a killed predecessor's last processes may still hold its shared memory for a moment
        while not ready():
            if name in self.poll():
                respawns -= 1
                if respawns == 0 or "shared memory block" not in self._log_tail(name):
                    raise OwnServerFailed(f"{name} ended at its start; its log says:\n{self._log_tail(name)}")
                time.sleep(0.1)
                self._spawn_postgres()
            if time.monotonic() > deadline:
                raise OwnServerFailed(f"{name} did not answer in {self._start_s} s:\n{self._log_tail(name)}")
            time.sleep(0.01)

    def _postgres_ready(self) -> bool:
        """By the status in postmaster.pid, as pg_ctl does it: pid in the first line, "ready" in the eighth."""
        lines = read_lines(self._cluster / "postmaster.pid")
        mine = self._postgres is not None and lines[:1] == [str(self._postgres.pid)]
        return mine and len(lines) >= 8 and lines[7].strip() == "ready"

    def _log_tail(self, name: str) -> str:
        return "\n".join(read_lines(self._data_dir / f"{name}.log")[-12:])

    def _stop_orphans(self) -> None:
        """Servers of a predecessor that could not end them; they use our folder, and only we may (we hold its lock)."""
        pid_file = self._cluster / "postmaster.pid"
        pid = pid_in(pid_file)
        if pid is not None and runs(pid, str(self._cluster)):
            log.warning("own_server_orphan_stopped", server="postgres", pid=pid)
            end_pid(pid, ((signal.SIGINT, STOP_POSTGRES_S), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)))
        for lock_file in (pid_file, self._run_dir / ".s.PGSQL.5432.lock"):
            pid = pid_in(lock_file)
            if pid is not None and taken(pid) and not runs(pid, str(self._cluster)):
                # The number belongs to another process by now (in containers it soon does) or to a zombie: either would
                # make Postgres refuse to start.
                lock_file.unlink(missing_ok=True)
        pid = pid_in(self._valkey_pid_file)
        if pid is not None and runs(pid, str(self._valkey_socket)):
            log.warning("own_server_orphan_stopped", server="valkey", pid=pid)
            end_pid(pid, ((signal.SIGTERM, STOP_VALKEY_S), (signal.SIGKILL, 5.0)))


def _database_url(socket_folder: str) -> str:
    return f"postgresql://greenroom@/greenroom?host={quote(socket_folder, safe='/')}"
