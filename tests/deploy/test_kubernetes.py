"""The manifests: each overlay resolves, is what Kubernetes takes, and agrees with itself and with our settings."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from greenroom.config.limits import MediaConfig
from greenroom.config.settings import Settings
from greenroom.config.settings.settings import load_settings
from tests.deploy.kustomize import Manifest, build, containers

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
BUILDS = ("overlays/local", "overlays/staging", "overlays/production", "canary")
RELEASES = ("1.30", "1.34")  # of Kubernetes: the oldest that has `preStop.sleep` by itself, and a newer one
SECRETS = {"database-url", "redis-url", "auth-secret"}  # as docs/run/deploying.md has one make them
LEAVING_S = 5  # what a node may take after drain and goodbyes
GOODBYE_S = 2


@pytest.fixture(params=BUILDS)
def built(request: pytest.FixtureRequest) -> list[Manifest]:
    return build(KUBERNETES / request.param)


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [one for one in manifests if one["kind"] == kind]


def nodes(manifests: list[Manifest]) -> Manifest:
    """The Deployment of nodes."""
    (found,) = (one for one in of_kind(manifests, "Deployment") if one["metadata"]["name"].startswith("greenroom"))
    return found


def pod(manifests: list[Manifest]) -> dict[str, Any]:
    spec: dict[str, Any] = nodes(manifests)["spec"]["template"]["spec"]
    return spec


def environment(manifests: list[Manifest]) -> dict[str, dict[str, Any]]:
    """By name: `value` or `valueFrom`."""
    (container,) = pod(manifests)["containers"]
    return {one["name"]: one for one in container["env"]}


@pytest.mark.parametrize("release", RELEASES)
def test_kubernetes_takes_it(built: list[Manifest], release: str) -> None:
    for manifest in built:
        kubernetes_validate.validate(manifest, release, strict=True)


def test_every_setting_is_one_and_together_they_are_valid(
    built: list[Manifest], clean_surroundings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        "database-url": "postgresql://greenroom:x@pgbouncer:6432/greenroom?pool_mode=transaction",
        "redis-url": "redis://:x@valkey:6379",
        "auth-secret": "s" * 32,
    }
    for name, one in environment(built).items():
        assert ("value" in one) != ("valueFrom" in one), name
        value = one["value"] if "value" in one else secrets[one["valueFrom"]["secretKeyRef"]["key"]]
        monkeypatch.setenv(name, value)
    for name, value in IMAGE.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert isinstance(settings, Settings) and settings.nodes == 0
    assert settings.port == pod(built)["containers"][0]["ports"][0]["containerPort"]


IMAGE = {"GREENROOM_HOST": "0.0.0.0"}  # as the container file says; test_container.py holds it to that


def test_a_node_has_time_to_leave(built: list[Manifest]) -> None:
    drain_s = float(environment(built)["GREENROOM_DRAIN_S"]["value"])
    (container,) = pod(built)["containers"]
    sleep_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    readiness = container["readinessProbe"]
    assert sleep_s + drain_s + GOODBYE_S + LEAVING_S <= pod(built)["terminationGracePeriodSeconds"]
    assert readiness["httpGet"]["path"] == "/ready"
    assert {container[name]["httpGet"]["path"] for name in ("livenessProbe", "startupProbe")} == {"/health"}


def test_pods_are_restricted(built: list[Manifest]) -> None:
    """As the Pod Security Standard of that name has it, and a read-only root besides."""
    for manifest in of_kind(built, "Deployment"):
        spec = manifest["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not any("hostPath" in volume for volume in spec.get("volumes", []))
        assert not any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC"))
        for container in containers(manifest):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False and context["privileged"] is False
            assert context["readOnlyRootFilesystem"] is True and context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"]["cpu"] and container["resources"]["limits"]["memory"]
            mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
            assert mounted == {volume["name"] for volume in spec.get("volumes", [])}


def test_secrets_are_named_and_never_held(built: list[Manifest]) -> None:
    assert not of_kind(built, "Secret")
    for name, one in environment(built).items():
        if "valueFrom" in one:
            reference = one["valueFrom"]["secretKeyRef"]
            assert reference["name"] == "greenroom" and reference["key"] in SECRETS, name


def test_what_selects_pods_finds_them(built: list[Manifest]) -> None:
    names = {(one["kind"], one["metadata"]["name"]) for one in built}
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in of_kind(built, "Deployment")]
    for manifest in of_kind(built, "Deployment"):
        labels = manifest["spec"]["template"]["metadata"]["labels"]
        assert manifest["spec"]["selector"]["matchLabels"].items() <= labels.items()
        for spread in manifest["spec"]["template"]["spec"].get("topologySpreadConstraints", []):
            assert spread["labelSelector"]["matchLabels"].items() <= labels.items()
    for service in of_kind(built, "Service"):
        assert any(service["spec"]["selector"].items() <= labels.items() for labels in pods)
        ports = {port["name"] for one in of_kind(built, "Deployment") for c in containers(one) for port in c["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for policy in (*of_kind(built, "NetworkPolicy"), *of_kind(built, "PodDisruptionBudget")):
        selector = policy["spec"].get("podSelector") or policy["spec"]["selector"]
        assert any(selector["matchLabels"].items() <= labels.items() for labels in pods)
    for scaler in of_kind(built, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) in names
        assert "replicas" not in nodes(built)["spec"], "that is the autoscaler's to say"
        assert scaler["spec"]["minReplicas"] > 1, "one node can't hand over to anybody"
    for ingress in of_kind(built, "Ingress"):
        for path in ingress["spec"]["rules"][0]["http"]["paths"]:
            assert ("Service", path["backend"]["service"]["name"]) in names
        assert ingress["spec"]["tls"][0]["hosts"] == [ingress["spec"]["rules"][0]["host"]]
    namespaces = {one["metadata"].get("namespace") for one in built if one["kind"] != "Namespace"}
    assert len(namespaces) == 1 and None not in namespaces


def test_the_canary_is_a_node_of_production_but_for_release_track_and_capacity() -> None:
    production, canary = build(KUBERNETES / "overlays/production"), build(KUBERNETES / "canary")
    (only,) = canary
    stable, newer = pod(production), pod(canary)
    selected = of_kind(production, "Service")[0]["spec"]["selector"]
    assert selected.items() <= only["spec"]["template"]["metadata"]["labels"].items(), "clients come to both"
    stable_selector = nodes(production)["spec"]["selector"]["matchLabels"]
    assert not stable_selector.items() <= only["spec"]["template"]["metadata"]["labels"].items()
    assert only["metadata"]["namespace"] == nodes(production)["metadata"]["namespace"]
    assert environment(canary).pop("GREENROOM_CAPACITY")["value"] == "10"
    names = environment(canary).keys() - {"GREENROOM_CAPACITY"}
    assert {name: environment(canary)[name] for name in names} == environment(production)
    for spec in (stable, newer):
        (container,) = spec["containers"]
        del container["image"], container["env"]
    assert stable == newer
    assert "serviceAccountName" in newer and of_kind(production, "ServiceAccount")


def test_the_ingress_shows_what_the_server_serves_but_metrics() -> None:
    ingress, media = of_kind(build(KUBERNETES / "overlays/production"), "Ingress")
    paths = {path["path"] for path in ingress["spec"]["rules"][0]["http"]["paths"]}
    assert paths == {"/", "/api", "/connection", "/docs", "/events", "/static"}
    assert [path["path"] for path in media["spec"]["rules"][0]["http"]["paths"]] == ["/media"]


@pytest.mark.parametrize("overlay", ["staging", "production"])
def test_the_ingress_lets_through_what_an_upload_may_have(overlay: str) -> None:
    ingress, media = of_kind(build(KUBERNETES / "overlays" / overlay), "Ingress")
    said, most = media["metadata"]["annotations"], MediaConfig()
    of = "nginx.ingress.kubernetes.io/"
    assert said[f"{of}proxy-body-size"] == f"{most.bytes_max >> 20}m"
    assert int(said[f"{of}proxy-read-timeout"]) > most.request_s
    assert said[f"{of}proxy-request-buffering"] == "off"
    assert media["spec"]["rules"][0]["host"] == ingress["spec"]["rules"][0]["host"]
    assert media["spec"]["tls"] == ingress["spec"]["tls"]


def test_env_of_services_is_kept_from_nodes(built: list[Manifest]) -> None:
    """A Service `greenroom` would give them GREENROOM_PORT=tcp://…, and GREENROOM_SERVICE_HOST, which is no setting."""
    assert pod(built)["enableServiceLinks"] is False
