"""What our own servers are told: durable where it counts, quiet, and on unix sockets only."""

import sys

# Durability is not for sale: fsync, synchronous_commit and full_page_writes stay on. The rest is for throughput.
POSTGRES_SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "wal_buffers": "16MB",
    "max_wal_size": "4GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "deadlock_timeout": "200ms",
    "autovacuum": "on",
    "autovacuum_naptime": "30s",
    "autovacuum_vacuum_insert_threshold": "100000",  # the journal is mostly inserted into
    "autovacuum_vacuum_insert_scale_factor": "0.1",
    "timezone": "UTC",
    # `log` ranks above `error`: a repeated command id is an error to Postgres and daily business to us, and the text of
    # statements and values is never logged.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    # A backend that dies by a signal takes all of Postgres with it, and we start it again. Left to itself, Postgres 18
    # would recover in place, and not end when it is told to during that: a stop would wait for all of STOP_POSTGRES_S.
    "restart_after_crash": "off",
}
if sys.platform.startswith("linux"):
    # Before it recovers it syncs its folder: in one call 0.3 s, file by file over 4 s on a busy disk.
    POSTGRES_SETTINGS["recovery_init_sync_method"] = "syncfs"

VALKEY_SETTINGS = {
    "port": "0",
    "save": "",
    "appendonly": "no",
    "maxmemory": "256mb",
    "maxmemory-policy": "volatile-ttl",
    "daemonize": "no",
    "loglevel": "notice",
    "unixsocketperm": "700",
}
