"""Benchmarks make a Postgres for each server, as their users want it; as tests they begin with a copy of one."""

import os
import subprocess
from pathlib import Path

import pytest

import bench.home
import bench.nodes
import bench.server
from greenroom.store.own.servers import OwnServers
from tests.starting.cluster_template import FOLDER, copy_cluster


@pytest.fixture(autouse=True)
def copied_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    launch, start = bench.server.launch, OwnServers.launch

    def launch_with_copy(folder: Path, port: int, settings: dict[str, str]) -> "subprocess.Popen[bytes]":
        if "GREENROOM_DATABASE_URL" not in settings:
            copy_into(folder / "data")
        return launch(folder, port, settings)

    def start_with_copy(servers: OwnServers) -> None:
        copy_into(servers._data_dir)
        start(servers)

    for module in (bench.server, bench.nodes, bench.home):
        monkeypatch.setattr(module, "launch", launch_with_copy)
    monkeypatch.setattr(OwnServers, "launch", start_with_copy)


def copy_into(data: Path) -> None:
    """Unless there is one, or it is the one that is copied."""
    if not (data / "postgres").exists() and not data.is_relative_to(os.environ[FOLDER]):
        copy_cluster(data)
