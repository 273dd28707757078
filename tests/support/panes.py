"""Plans as a cluster gives them: the commit, the changes, the hooks, and what others changed."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from sloth_ci.core.objects import Ref, Source
from sloth_ci.core.outcome import ItemOutcome, SyncOutcome
from sloth_ci.core.plan import Drift, Hook, Impact, Plan
from support.outcomes import items, sync
from support.plans import EVIL, POD, body, change, field, hostile, plan, workload

WEB = "Deployment/shop/web"
KUBECTL = "kubectl-edit at 2025-11-22 10:14"
AUTOSCALER = "kube-controller-manager at 2025-11-23 04:58"
HOOKS = (
    Hook("PostSync", Ref("batch", "Job", "shop", "smoke-test"), Source("hooks/smoke.yaml", 1)),
    Hook("PreSync", Ref("batch", "Job", "shop", "migrate"), Source("hooks/migrate.yaml", 1)),
)


def drifted(path: str, live: Any, git: Any, outcome: str = "overwritten", **rest: Any) -> Drift:
    """One field that somebody else changed."""
    values = {"resource": WEB, "manager": KUBECTL, **rest}
    return Drift(path=path, live=live, git=git, outcome=outcome, **values)  # type: ignore[arg-type]


def shop() -> Plan:
    """A release that meets a cluster in which somebody has worked by hand."""
    image = field(POD + "containers[name=web].image", "shop/web:1.25.0", "shop/web:1.26.0")
    level = field("data.LOG_LEVEL", "info", "debug")
    commit = (
        change("update", "Deployment", "web", image, path="base/web.yaml", line=14, impact=Impact.MEDIUM),
        change("update", "ConfigMap", "settings", level, path="base/settings.yaml"),
        change("create", "Deployment", "wallet", state=workload("wallet", "shop/wallet:0.1.0"), path="wallet/deployment.yaml"),
        change("delete", "ConfigMap", "old-banner", state=body("ConfigMap", "old-banner", data={"text": "Sale!"})),
        change("delete", "Namespace", "legacy"),
    )  # fmt: skip
    seen = (
        change("delete", "Namespace", "legacy", impact=Impact.CRITICAL, reversible="no", reasons=("all in it is deleted with it",)),
        change("update", "Deployment", "web", image, field("spec.replicas", 7, 3), path="base/web.yaml", line=14,
               impact=Impact.MEDIUM, reasons=("another image", "its pods are restarted")),
        change("update", "ConfigMap", "settings", level, path="base/settings.yaml"),
        change("update", "Service", "web", field("spec.type", "NodePort", "ClusterIP"), path="base/web.yaml", line=61),
        change("create", "Deployment", "wallet", state=workload("wallet", "shop/wallet:0.1.0"), path="wallet/deployment.yaml"),
    )  # fmt: skip
    told: dict[str, dict[str, tuple[str, ...]]] = {
        "legacy": {
            "dependents": (
                "41 objects live in it",
                "Deployment/shop/web reads Service/legacy/rates",
                *(f"Ingress/shop/i{i} routes to it" for i in range(5)),
            )
        },
        "wallet": {"notes": ("unverified until its Namespace exists",)},
        "settings": {"notes": ("taken over from kubectl apply (client-side)",)},
    }
    return plan(
        *(replace(one, **told.get(one.ref.name, {})) for one in seen),
        destination="cluster production (namespace shop)",
        base=None,
        unchanged=162,
        skipped_files=0,
        intent=commit,
        hooks=HOOKS,
        drift=(
            drifted("spec.replicas", 7, 3),
            drifted(POD + "containers[name=web].env[name=DEBUG]", {"name": "DEBUG", "value": "1"}, UNSET),
            drifted("spec.type", "NodePort", "ClusterIP", resource="Service/shop/web"),
            drifted("data.token", "(secret 1f2e3d4c)", "(secret 77aa0011)", "blocks", resource="Secret/shop/api", masked=True,
                    manager="vault-operator at 2025-11-20 23:01"),
            drifted("spec.replicas", 12, 2, "left", resource="Deployment/shop/checkout", manager=AUTOSCALER),
            drifted('metadata.annotations["example.com/owner"]', UNSET, "team-shop", "left", resource="Deployment/shop/checkout",
                    manager=AUTOSCALER),
        ),
    )  # fmt: skip


def hostile_panes() -> Plan:
    """Every text of the panes that can be foreign is an attack on the one who shows it."""
    told = hostile()
    changes = tuple(replace(one, notes=tuple(EVIL), dependents=tuple(EVIL)) for one in told.changes)
    return replace(
        told,
        changes=changes,
        intent=tuple(replace(one, type="update") for one in told.changes),
        hooks=tuple(Hook("Sync", Ref("", evil, evil, evil), Source(evil, 1)) for evil in EVIL),
        drift=tuple(
            drifted(evil, evil, {evil: evil}, outcome, resource=evil, manager=evil)
            for evil in EVIL
            for outcome in ("blocks", "overwritten", "left")
        ),
    )


REASON = """\
1 of 3 pods is in CrashLoopBackOff
pod web-6c9f7d-x2x7q: container web restarted 4 times, the last time with exit code 1
events:
  08:14:03 BackOff: Back-off restarting failed container web in pod web-6c9f7d-x2x7q
log of container web:
  ::error file=app.py::this is a line of the application, and no command
  ```
  Traceback (most recent call last):
    File "app.py", line 1\tin <module>
  KeyError: 'DATABASE_URL' \x1b[31m
"""


def unhealthy() -> SyncOutcome:
    """A sync whose pods do not start, with all that a cluster can say about it."""
    web = ItemOutcome(Ref("apps", "Deployment", "shop", "web"), "update", "failed", REASON)
    job = ItemOutcome(Ref("batch", "Job", "shop", "seed"), "create", "failed", "BackoffLimitExceeded")
    message = "2 objects are not healthy:\n  Deployment/shop/web: 1 of 3 pods is in CrashLoopBackOff\n  Job/shop/seed: BackoffLimitExceeded"
    return sync(
        items=(web, job, *items(0, 0, 3)), status="failed", message=message, health="degraded", duration_seconds=203.0
    )
