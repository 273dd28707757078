"""What any API server would refuse in an object, found without one.

Sources: Kubernetes' "Object Names and IDs", "Labels and Selectors" and "Annotations" pages, and the types of core/v1.
Nothing here quotes a value: it may be a Secret's.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import Any

from sloth_ci.core.objects import Body

_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\Z")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")
_SERVICE = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?\Z")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?\Z")
_DATA_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}\Z")
_PATH_NAMED = frozenset({"rbac.authorization.k8s.io"})
_ANNOTATIONS_LIMIT = 256 * 1024
_DATA_LIMIT = 1024 * 1024


def problems(body: Body) -> list[str]:
    """Why an API server would refuse the object; empty where nothing is known to be wrong."""
    found: list[str] = []
    metadata = body.get("metadata", {})
    group = body["apiVersion"].rpartition("/")[0]
    found += _name(metadata["name"], group, body["kind"])
    namespace = metadata.get("namespace")
    if namespace and (not _LABEL.match(namespace) or len(namespace) > 63):
        found.append("metadata.namespace is not a DNS label (lower-case letters, digits and '-', at most 63)")
    found += _strings(metadata, "metadata")
    for path in (("spec", "selector"), ("spec", "template", "metadata", "labels")):
        found += _string_map(body, path)
    if group == "" and body["kind"] in {"ConfigMap", "Secret"}:
        found += _data(body)
    found += _containers(body)
    return found


def _name(name: str, group: str, kind: str) -> list[str]:
    if group in _PATH_NAMED:
        if name in {".", ".."} or "/" in name or "%" in name:
            return ["metadata.name cannot be '.', '..' or hold '/' or '%'"]
    elif group == "" and kind == "Service":
        if not _SERVICE.match(name) or len(name) > 63:
            return ["metadata.name of a Service is a DNS label: it starts with a letter, at most 63 characters"]
    elif group == "" and kind == "Namespace":
        if not _LABEL.match(name) or len(name) > 63:
            return ["metadata.name of a Namespace is a DNS label, at most 63 characters"]
    elif not _SUBDOMAIN.match(name) or len(name) > 253:
        return ["metadata.name is not a DNS name (lower-case letters, digits, '-' and '.', at most 253)"]
    return []


def _strings(metadata: dict[str, Any], where: str) -> list[str]:
    found = []
    for field in ("labels", "annotations"):
        table = metadata.get(field)
        if table is None:
            continue
        if not isinstance(table, dict):
            found.append(f"{where}.{field} is not a table")
            continue
        for key, value in table.items():
            prefix, slash, name = key.rpartition("/")
            if not _QUALIFIED.match(name) or len(name) > 63 or (slash and not _SUBDOMAIN.match(prefix)):
                found.append(f"{where}.{field} has a key that is not a qualified name: {key!r}")
            if not isinstance(value, str):
                if value is not None:
                    found.append(f"{where}.{field}[{key}] is not a string: put it in quotes")
            elif field == "labels" and value and (not _QUALIFIED.match(value) or len(value) > 63):
                found.append(f"{where}.labels[{key}] is not a label value (letters, digits, '-', '_', '.', at most 63)")
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        size = sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items() if isinstance(v, str))
        if size > _ANNOTATIONS_LIMIT:
            found.append(f"{where}.annotations hold {size:,} bytes; {_ANNOTATIONS_LIMIT:,} are allowed")
    return found


def _string_map(body: Body, path: tuple[str, ...]) -> list[str]:
    value: Any = body
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, dict):
        return []
    if path[-1] == "selector" and body["kind"] != "Service":
        value = value.get("matchLabels")
        path = (*path, "matchLabels")
    if not isinstance(value, dict):
        return []
    return [
        f"{'.'.join(path)}[{key}] is not a string: put it in quotes"
        for key, inner in value.items()
        if inner is not None and not isinstance(inner, str | dict | list)
    ]


def _data(body: Body) -> list[str]:
    found, size = [], 0
    for field in ("data", "stringData", "binaryData"):
        table = body.get(field)
        if table is None:
            continue
        if not isinstance(table, dict):
            found.append(f"{field} is not a table")
            continue
        encoded = field == "binaryData" or (body["kind"] == "Secret" and field == "data")
        for key, value in table.items():
            if not _DATA_KEY.match(key):
                found.append(f"{field} has a key that is not a file name: {key!r}")
            if value is None:
                continue
            if not isinstance(value, str):
                found.append(f"{field}[{key}] is not a string: put it in quotes")
                continue
            size += len(value.encode())
            if encoded and not _is_base64(value):
                found.append(f"{field}[{key}] is not base64; plain text belongs into stringData")
    if size > _DATA_LIMIT * (4 / 3 if body["kind"] == "Secret" else 1):
        found.append(f"its data holds {size:,} bytes; {_DATA_LIMIT:,} are allowed")
    return found


def _is_base64(value: str) -> bool:
    try:
        b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _containers(body: Body) -> list[str]:
    """Containers of one pod with the same name, or without one."""
    found: list[str] = []
    spec: Any = body.get("spec")
    for key in ("jobTemplate", "template"):
        if isinstance(spec, dict) and isinstance(spec.get(key), dict) and "spec" in spec[key]:
            spec = spec[key]["spec"]
            if key == "jobTemplate" and isinstance(spec, dict) and isinstance(spec.get("template"), dict):
                spec = spec["template"].get("spec")
                break
    if body["kind"] not in {"Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"}:
        return found
    if not isinstance(spec, dict):
        return found
    names: set[str] = set()
    for field in ("initContainers", "containers"):
        containers = spec.get(field)
        for index, container in enumerate(containers if isinstance(containers, list) else []):
            name = container.get("name") if isinstance(container, dict) else None
            if not isinstance(name, str) or not _LABEL.match(name) or len(name) > 63:
                found.append(f"{field}[{index}].name is missing or not a DNS label")
            elif name in names:
                found.append(f"two containers of one pod are named '{name}'")
            else:
                names.add(name)
    return found
