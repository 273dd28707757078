"""Small objects that scenarios are made of. `$NS` is filled in when they are played."""

from __future__ import annotations

from typing import Any

from scoreboard.place import Body


def body(kind: str, name: str, api: str = "v1", *, metadata: Body | None = None, **fields: Any) -> Body:
    """Any object; it names no namespace."""
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **(metadata or {})}, **fields}


def configmap(name: str = "settings", data: Body | None = None, **metadata: Any) -> Body:
    """A ConfigMap."""
    return body("ConfigMap", name, data=data if data is not None else {"level": "info"}, metadata=metadata)


def secret(**fields: Any) -> Body:
    """A Secret named `login`."""
    return body("Secret", "login", **fields)


def container(name: str = "web", image: str = "web:1", **fields: Any) -> Body:
    """One of a pod."""
    return {"name": name, "image": image, **fields}


def deployment(
    *containers: Body, name: str = "web", spec: Body | None = None, pod: Body | None = None, **more: Any
) -> Body:
    """A Deployment that declares no replicas unless `spec` does. `pod`: more of the pod's spec."""
    labels = {"app": name}
    template_metadata = {"labels": labels, **more.pop("pod_metadata", {})}
    template = {"metadata": template_metadata, "spec": {"containers": list(containers or [container()]), **(pod or {})}}
    return body(
        "Deployment",
        name,
        "apps/v1",
        metadata=more,
        spec={"selector": {"matchLabels": labels}, "template": template, **(spec or {})},
    )


def service(ports: list[Body] | None = None, **spec: Any) -> Body:
    """A Service named `web`."""
    return body("Service", "web", spec={"selector": {"app": "web"}, "ports": ports or [{"port": 80}], **spec})


def crd(properties: Body, kind: str = "Widget", **spec: Any) -> Body:
    """A CustomResourceDefinition of a group of this place's own; `properties` of its spec."""
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return body(
        "CustomResourceDefinition",
        f"{plural}.$NS.example.com",
        "apiextensions.k8s.io/v1",
        spec={
            "group": "$NS.example.com",
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [version],
            **spec,
        },
    )


def widget(spec: Body, **metadata: Any) -> Body:
    """An object of that CustomResourceDefinition."""
    return body("Widget", "one", "$NS.example.com/v1", metadata=metadata, spec=spec)
