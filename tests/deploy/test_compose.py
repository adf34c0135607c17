"""The compose file: Compose takes it, and its services, the files beside it and our settings agree."""

import configparser
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from greenroom.config.settings.settings import load_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
FILE = DEPLOY / "compose.yaml"
VARIABLE = re.compile(r"\$\{(\w+)(?::?[-?]([^}]*))?\}")
NODES = ("node1", "node2", "node3")
GOODBYE_S = 2


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def filled(text: str) -> str:
    """With an answer to each variable, of 32 bytes, but for defaults."""
    return VARIABLE.sub(lambda one: (one[2] or "") if ":-" in one[0] else one[1].lower().ljust(32, "x"), text)


def test_compose_takes_it() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_variable_is_in_the_example_and_nothing_else_is() -> None:
    example = (DEPLOY / "compose" / "example.env").read_text()
    offered = set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert {name for name, _ in VARIABLE.findall(FILE.read_text())} == offered


def test_the_nodes_settings_are_valid_together(
    services: dict[str, dict[str, Any]], clean_surroundings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**services["node1"]["environment"], "GREENROOM_HOST": "0.0.0.0"}.items():
        monkeypatch.setenv(name, filled(value))
    settings = load_settings()
    assert (settings.env, settings.nodes) == ("production", 0)
    assert float(services["node1"]["stop_grace_period"].removesuffix("s")) >= settings.drain_s + GOODBYE_S + 5
    assert all(services[name] == services["node1"] for name in NODES)


def test_what_an_address_names_is_a_service_that_listens_there(services: dict[str, dict[str, Any]]) -> None:
    pgbouncer = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    pgbouncer.read(DEPLOY / "pgbouncer.ini")
    ports = {
        "pgbouncer": pgbouncer["pgbouncer"]["listen_port"],
        "postgres": "5432",
        "valkey": "6379",
        "otel-collector": "4318",
        **dict.fromkeys(NODES, "8000"),
    }
    environment = services["node1"]["environment"]
    told = [environment[name] for name in ("GREENROOM_DATABASE_URL", "GREENROOM_REDIS_URL")]
    told += [environment["OTEL_EXPORTER_OTLP_ENDPOINT"]]
    told += re.findall(r"server ([\w:]+)", (DEPLOY / "compose" / "nginx-nodes.conf").read_text())
    (scraped, *_) = yaml.safe_load((DEPLOY / "monitoring" / "prometheus.yaml").read_text())["scrape_configs"]
    told += scraped["static_configs"][0]["targets"]
    assert len(told) == 9
    for one in told:
        host, port = re.findall(r"([\w-]+):(\d+)", filled(one))[-1]
        assert ports[host] == port and host in services, one
    database = pgbouncer["databases"]["greenroom"]
    assert (
        f"host=postgres port={ports['postgres']} dbname={services['postgres']['environment']['POSTGRES_DB']}"
        in database
    )
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        for needed, how in service.get("depends_on", {}).items():
            assert set(services[needed]["networks"]) & set(service["networks"]), f"{name} can't reach {needed}"
            assert how["condition"] != "service_healthy" or "healthcheck" in services[needed], needed


def test_sources_and_settings_of_what_watches_agree(services: dict[str, dict[str, Any]]) -> None:
    sources = yaml.safe_load((DEPLOY / "monitoring" / "grafana" / "datasources.yaml").read_text())["datasources"]
    assert {source["url"] for source in sources} == {"http://prometheus:9090", "http://jaeger:16686"}
    collector = yaml.safe_load((DEPLOY / "monitoring" / "otel-collector.yaml").read_text())
    for pipeline in collector["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(collector[kind]), kind
    (exporter,) = collector["exporters"].values()
    assert exporter["endpoint"].partition(":")[0] in services
    provider = yaml.safe_load((DEPLOY / "monitoring" / "grafana" / "dashboards.yaml").read_text())["providers"][0]
    mounted = [volume.split(":")[1] for volume in services["grafana"]["volumes"]]
    assert any(path.startswith(provider["options"]["path"] + "/") for path in mounted)


def test_every_file_and_volume_named_is_there(compose: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source == "./compose/tls":  # one's own certificate; the docs say how it comes there
                continue
            assert (DEPLOY / source).exists() if source.startswith(".") else source in compose["volumes"], name
        for config in service.get("configs", []):
            assert config["source"] in compose["configs"]
        assert set(service["networks"]) <= set(compose["networks"])
    assert (DEPLOY / compose["configs"]["pgbouncer"]["file"]).exists()


def test_all_are_read_only_without_capabilities_and_pinned(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"] and "privileged" not in service, name
        image, _, tag = service["image"].partition(":")
        assert tag and tag != "latest", f"{name}: which {image}?"
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} is on the network"
