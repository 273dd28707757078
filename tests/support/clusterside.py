"""What the worlds of both CI systems have of a real cluster: a deployment in a namespace, and what became of it."""

from __future__ import annotations

from typing import Final

from sloth_ci.core.yaml import dump
from support.bodies import deployment
from support.cluster import ControlPlane

CLUSTER_LUA: Final = """\
local gitops = require("gitops")
gitops.workflow({
    name = "shop", repo = ".", branch = "main", environment = "production", target_path = "k8s",
    destination = { context = "test", namespace = "%s" },
    approval_required = true,
    rollback_on_failure = true,
    sync_policy = { retry = { limit = 0 }, health_check = { timeout = "300s" } },
})
"""


class OnCluster:
    """A deployment `web`. Its image says how it fares: `web:broken` cannot be pulled, `web:slow` is not ready for long."""

    plane: ControlPlane
    namespace: str

    def web(self, image: str) -> dict[str, str]:
        """Its manifest, by its path."""
        web = deployment(image=image, namespace=self.namespace)
        if image.endswith("slow"):
            web["spec"]["template"]["metadata"]["annotations"] = {"sloth-test/ready-after": "600s"}
        return {"k8s/web.yaml": dump(web)}

    def holders(self) -> list[str]:
        """Who holds locks in the namespace."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"
        leases = self.plane.api("GET", path)["items"]
        return [holder for lease in leases if (holder := lease["spec"].get("holderIdentity"))]

    def live(self, path: str = "{.spec.template.spec.containers[0].image}") -> str:
        """What the cluster has of the deployment; empty where there is none."""
        where = ("--namespace", self.namespace, "--ignore-not-found", f"--output=jsonpath={path}")
        return self.plane.kubectl("get", "deployment", "web", *where)
