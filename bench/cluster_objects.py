"""The objects that the measurements on a cluster deploy: applications of ten objects each, one of each kind below.

Written as people write them: ports without a protocol, times and limits left to the server's defaults, quantities as they
come. Deployments have no replicas and CronJobs are suspended, so that no pods come and the controllers are soon quiet.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

Body = dict[str, Any]
LABEL: Final = "app.kubernetes.io/part-of"
PART: Final = "bench"
"""The value of LABEL on every object, by which a run finds them again."""

GROUP: Final = "bench.example"
DEFINITION: Final[Body] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"widgets.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer"},
                                    "color": {"type": "string", "default": "grey"},
                                    "parts": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["name"],
                                        "items": {
                                            "type": "object",
                                            "required": ["name"],
                                            "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
                                        },
                                    },
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


class App(NamedTuple):
    """One application; `step` is what differs between two revisions of an object of it."""

    name: str
    step: int

    @property
    def labels(self) -> dict[str, str]:
        """Of its objects."""
        return {"app.kubernetes.io/name": self.name, LABEL: PART}

    @property
    def chosen(self) -> dict[str, str]:
        """What selects its pods."""
        return {"app.kubernetes.io/name": self.name}

    def pod(self, image: str) -> Body:
        """The pods of its Deployment and CronJob."""
        return {
            "serviceAccountName": self.name,
            "containers": [
                {
                    "name": "main",
                    "image": f"registry.example/{image}",
                    "ports": [{"containerPort": 8080, "name": "http"}, {"containerPort": 9090, "name": "metrics"}],
                    "env": [
                        {"name": "LOG_LEVEL", "value": "info"},
                        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": self.name, "key": "token"}}},
                    ],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
                    "volumeMounts": [{"name": "settings", "mountPath": "/etc/settings"}],
                }
            ],
            "volumes": [{"name": "settings", "configMap": {"name": self.name}}],
        }


def _config_map(app: App) -> Body:
    lines = "\n".join(f"setting.{n} = {app.name}-{n}" for n in range(20))
    return {"apiVersion": "v1", "kind": "ConfigMap", "data": {"settings.conf": lines, "step": str(app.step)}}


def _secret(app: App) -> Body:
    token = base64.b64encode(f"not-a-secret-{app.name}-{app.step}".encode()).decode()
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"token": token}}


def _service_account(app: App) -> Body:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": app.step == 0}


def _service(app: App) -> Body:
    ports = [{"name": "http", "port": 80 + app.step, "targetPort": "http"}, {"name": "metrics", "port": 9090}]
    return {"apiVersion": "v1", "kind": "Service", "spec": {"selector": app.chosen, "ports": ports}}


def _deployment(app: App) -> Body:
    template = {"metadata": {"labels": app.labels}, "spec": app.pod(f"{app.name}:1.0.{app.step}")}
    spec = {"replicas": 0, "selector": {"matchLabels": app.chosen}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}


def _cron_job(app: App) -> Body:
    pod = {**app.pod(f"{app.name}-report:1.0.0"), "restartPolicy": "Never"}
    spec = {
        "schedule": f"{app.step} 3 * * *",
        "suspend": True,
        "jobTemplate": {"spec": {"template": {"metadata": {"labels": app.labels}, "spec": pod}}},
    }
    return {"apiVersion": "batch/v1", "kind": "CronJob", "spec": spec}


def _ingress(app: App) -> Body:
    backend = {"service": {"name": app.name, "port": {"name": "http"}}}
    path = {"path": f"/v{app.step}", "pathType": "Prefix", "backend": backend}
    rule = {"host": f"{app.name}.example", "http": {"paths": [path]}}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": {"rules": [rule]}}


def _role(app: App) -> Body:
    verbs = ["get", "list", "watch", *(["update"] if app.step else [])]
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": [rule]}


def _role_binding(app: App) -> Body:
    subjects = [
        {"kind": "ServiceAccount", "name": app.name},
        *([{"kind": "User", "name": "reader"}] if app.step else []),
    ]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": app.name}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "roleRef": role,
        "subjects": subjects,
    }


def _widget(app: App) -> Body:
    parts = [{"name": "wheel", "count": 4}, {"name": "seat", "count": 1 + app.step}]
    return {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "spec": {"size": 3, "parts": parts}}


KINDS: Final[Sequence[Callable[[App], Body]]] = (
    _config_map,
    _secret,
    _service_account,
    _service,
    _deployment,
    _cron_job,
    _ingress,
    _role,
    _role_binding,
    _widget,
)
COLLECTIONS: Final = (
    "apis/networking.k8s.io/v1/namespaces/{}/ingresses",
    "apis/apps/v1/namespaces/{}/deployments",
    "apis/batch/v1/namespaces/{}/cronjobs",
    "api/v1/namespaces/{}/services",
    "api/v1/namespaces/{}/configmaps",
    "api/v1/namespaces/{}/secrets",
    "api/v1/namespaces/{}/serviceaccounts",
    "apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    f"apis/{GROUP}/v1/namespaces/{{}}/widgets",
)
"""Where the API server has them."""

_PLAIN: Final = re.compile(r"(?!(?:true|false|null|yes|no|on|off)$)[A-Za-z][\w./-]*", re.IGNORECASE)
"""Text that needs no quotes."""

Changed = Callable[[int], bool]
"""Whether the object of this number is of the second revision."""


def none(_number: int) -> bool:
    """The first revision."""
    return False


def every(_number: int) -> bool:
    """All objects changed."""
    return True


def one_percent(number: int) -> bool:
    """One object in a hundred changed, of a different kind each time."""
    return number % 100 == number // 100 % len(KINDS)


def namespaces(prefix: str, size: int) -> list[str]:
    """As a cluster of this size has them: two, and one more for every 500 objects."""
    return [f"{prefix}-{size}-{number}" for number in range(2 + size // 500)]


def write(folder: Path, places: Sequence[str], size: int, changed: Changed) -> None:
    """Write `size` objects as manifests, a file for each application."""
    for first in range(0, size, len(KINDS)):
        number = first // len(KINDS)
        place = places[number % len(places)]
        bodies = [
            _named(make, App(f"app-{number}", int(changed(first + offset))), place) for offset, make in enumerate(KINDS)
        ]
        file = folder / place / f"app-{number}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("---\n".join(_yaml(body) for body in bodies))


def _named(make: Callable[[App], Body], app: App, namespace: str) -> Body:
    body = make(app)
    about = {"name": app.name, "namespace": namespace, "labels": app.labels}
    return {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": about, **body}


def _yaml(value: Mapping[str, Any]) -> str:
    return _block(value, "")


def _block(value: Any, indent: str) -> str:
    """Block style, as people write it: readers take longer for it than for JSON."""
    lines = []
    pairs = [(f"{key}:", item) for key, item in value.items()] if isinstance(value, dict) else [("-", i) for i in value]
    for lead, item in pairs:
        if isinstance(item, dict | list) and item:
            inner = _block(item, indent + "  ")
            if lead == "-":
                lines.append(f"{indent}- {inner[len(indent) + 2 :]}")
            else:
                lines.append(f"{indent}{lead}\n{inner}")
        elif isinstance(item, str) and "\n" in item:
            text = "".join(f"{indent}  {line}\n" for line in item.split("\n"))
            lines.append(f"{indent}{lead} |-\n{text}")
        else:
            text = item if isinstance(item, str) and _PLAIN.fullmatch(item) else json.dumps(item)
            lines.append(f"{indent}{lead} {text}\n")
    return "".join(lines)
