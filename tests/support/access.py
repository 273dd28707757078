"""Ways to a cluster for tests of the way itself: kubeconfigs as data, and connections that end with the test."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sloth_ci.core.errors import SlothError
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes.cluster import Cluster, connect
from support.cluster import ControlPlane

SECRET = "s3cr3t-Value-0123456789"
"""Stands for what must be in no output."""
WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@contextmanager
def connected(
    spec: DestinationSpec | Path, root: Path = Path(), environ: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """A cluster by a destination, or by the path of a kubeconfig; closed at the end."""
    if isinstance(spec, Path):
        spec = DestinationSpec(kubeconfig=str(spec))
    cluster = connect(spec, root, os.environ if environ is None else environ)
    try:
        yield cluster
    finally:
        cluster.client.close()


def who(cluster: Cluster) -> str:
    """The name that the server knows us by."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    return str(cluster.client.json("POST", WHO_AM_I, body=review)["status"]["userInfo"]["username"])


def token_of(plane: ControlPlane, namespace: str, account: str, *, seconds: int = 3600) -> str:
    """A token of a service account, which is made where it is missing."""
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    plane.api(
        "PATCH",
        f"{accounts}/{account}?fieldManager=harness",
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}},
        content_type="application/apply-patch+yaml",
    )
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": seconds},
    }
    return str(plane.api("POST", f"{accounts}/{account}/token", request)["status"]["token"])


def one_context(
    plane: ControlPlane, user: Mapping[str, Any], *, server: str | None = None, **cluster: Any
) -> dict[str, Any]:
    """A kubeconfig of one context `ctx`, with the plane's authority unless `cluster` says otherwise (None leaves out)."""
    said: dict[str, Any] = {
        "server": server or plane.server,
        "certificate-authority": str(plane.authority.files.certificate),
        **{name.replace("_", "-"): value for name, value in cluster.items()},
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "ctx",
        "contexts": [{"name": "ctx", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {key: value for key, value in said.items() if value is not None}}],
        "users": [{"name": "u", "user": dict(user)}],
    }


def write(path: Path, config: Mapping[str, Any]) -> Path:
    """As JSON, which is YAML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def silent(error: SlothError) -> None:
    """Assert that an error does not show the secret."""
    assert SECRET not in f"{error.message} {error.hint} {error!r}"
