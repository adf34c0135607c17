"""The account that our own servers run as. Postgres refuses to be root, so as root they get another."""

import os
import pwd
from pathlib import Path
from typing import Any

from greenroom.store.own.errors import OwnServerFailed


def unprivileged_account(cluster: Path) -> pwd.struct_passwd | None:
    """Who the servers run as when we are root; None otherwise. An existing cluster keeps its owner.

    Raises: OwnServerFailed when there is no such account.
    """
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (owner := cluster.stat().st_uid) != 0:
        return pwd.getpwuid(owner)
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise OwnServerFailed("as root, Postgres needs another account to run as: neither postgres nor nobody exists")


def account_name() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def as_account(account: pwd.struct_passwd | None) -> dict[str, Any]:
    return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
