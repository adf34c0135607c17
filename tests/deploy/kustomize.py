"""What `kustomize build` makes of a folder, for as much of it as `deploy/kubernetes` uses; anything else is refused.

Resources and components, a namespace, a suffix, labels, images; patches by strategic merge and as lists of operations.
"""

import copy
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

HEAD = {"apiVersion", "kind"}
KNOWN = {"resources", "components", "namespace", "nameSuffix", "labels", "images", "patches"} | HEAD
# By which fields entries of a list are told apart, where a patch merges with them; other lists are replaced.
KEYS = {
    "containers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "protocol"),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}


def build(folder: Path) -> list[Manifest]:
    """The manifests of a kustomization, in the order of its resources."""
    return _with(folder, [])


def _with(folder: Path, manifests: list[Manifest]) -> list[Manifest]:
    (rules,) = _read(folder / "kustomization.yaml")
    assert set(rules) <= KNOWN, f"{folder}: {set(rules) - KNOWN}"
    for name in rules.get("resources", []):
        path = folder / name
        manifests += build(path) if path.is_dir() else _read(path)
    for name in rules.get("components", []):
        manifests = _with(folder / name, manifests)
    for patch in rules.get("patches", []):
        manifests = _patched(manifests, patch, folder)
    for manifest in manifests:
        if "namespace" in rules and manifest["kind"] != "Namespace":
            manifest["metadata"]["namespace"] = rules["namespace"]
        manifest["metadata"]["name"] += rules.get("nameSuffix", "")
        for labels in rules.get("labels", []):
            assert set(labels) == {"pairs"}, "selectors stay as they are"
            manifest["metadata"].setdefault("labels", {}).update(labels["pairs"])
        for container in containers(manifest):
            for image in rules.get("images", []):
                if container["image"].partition(":")[0] == image["name"]:
                    container["image"] = f"{image['newName']}:{image['newTag']}"
    return manifests


def containers(manifest: Manifest) -> list[Manifest]:
    """Of whatever runs some."""
    found: list[Manifest] = manifest.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
    return found


def _read(path: Path) -> list[Manifest]:
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one is not None]


def _patched(manifests: list[Manifest], patch: Manifest, folder: Path) -> list[Manifest]:
    text = patch["patch"] if "patch" in patch else (folder / patch["path"]).read_text(encoding="utf-8")
    change = yaml.safe_load(text)
    target = patch.get("target") or {"kind": change["kind"], "name": change["metadata"]["name"]}
    chosen = [one for one in manifests if (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"])]
    assert len(chosen) == 1, f"{folder}: {target} is {len(chosen)} of the manifests"
    if isinstance(change, list):
        for operation in change:
            _replace(chosen[0], operation)
        return manifests
    if change.get("$patch") == "delete":
        return [one for one in manifests if one is not chosen[0]]
    merged = _merged(chosen[0], {name: value for name, value in change.items() if name not in HEAD})
    return [merged if one is chosen[0] else one for one in manifests]


def _replace(manifest: Manifest, operation: Manifest) -> None:
    assert operation["op"] == "replace"
    at: Any = manifest
    *way, last = (part.replace("~1", "/") for part in operation["path"].split("/")[1:])
    for part in way:
        at = at[int(part) if isinstance(at, list) else part]
    key = int(last) if isinstance(at, list) else last
    assert at[key] is not None, f"nothing at {operation['path']}"
    at[key] = operation["value"]


def _merged(old: Any, new: Any, name: str = "") -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        merged = copy.deepcopy(old)
        for field, value in new.items():
            if value is None:
                merged.pop(field, None)
            else:
                merged[field] = _merged(merged.get(field), value, field)
        return merged
    if isinstance(old, list) and isinstance(new, list) and name in KEYS:
        entries = {_key(name, one): one for one in old}
        for one in new:
            if one.get("$patch") == "delete":
                del entries[_key(name, one)]
            else:
                entries[_key(name, one)] = _merged(entries.get(_key(name, one), {}), one)
        return list(entries.values())
    return copy.deepcopy(new)


def _key(name: str, entry: Manifest) -> tuple[object, ...]:
    return tuple(entry.get(field) for field in KEYS[name])
