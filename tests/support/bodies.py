"""Small Kubernetes objects for tests."""

from __future__ import annotations

from typing import Any

from sloth_ci.core.objects import Manifest, Source, manifest_of


def body(kind: str, name: str, namespace: str | None = "shop", api: str = "v1", **fields: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    metadata |= fields.pop("metadata", {})
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}


def deployment(name: str = "web", image: str = "web:1", replicas: int = 2, **metadata: Any) -> dict[str, Any]:
    labels = {"app": name}
    return body(
        "Deployment",
        name,
        api="apps/v1",
        metadata=metadata,
        spec={
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}]}},
        },
    )


def manifest(content: dict[str, Any], path: str = "a.yaml", line: int = 1) -> Manifest:
    return manifest_of(content, Source(path, line))
