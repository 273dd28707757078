"""Plans made by hand: forty everyday changes, and the hostile ones that must not break any report."""

from __future__ import annotations

import random
from typing import Any

from msgspec import UNSET

from sloth_ci.core.objects import Body, Ref, Source
from sloth_ci.core.plan import Change, ChangeType, Conflict, FieldChange, Impact, Plan, Reversible

GROUPS = {
    "Deployment": ("apps", "v1"),
    "StatefulSet": ("apps", "v1"),
    "DaemonSet": ("apps", "v1"),
    "CronJob": ("batch", "v1"),
    "ClusterRole": ("rbac.authorization.k8s.io", "v1"),
    "RoleBinding": ("rbac.authorization.k8s.io", "v1"),
    "Ingress": ("networking.k8s.io", "v1"),
    "NetworkPolicy": ("networking.k8s.io", "v1"),
    "CustomResourceDefinition": ("apiextensions.k8s.io", "v1"),
    "PrometheusRule": ("monitoring.coreos.com", "v1"),
    "ServiceMonitor": ("monitoring.coreos.com", "v1"),
    "HorizontalPodAutoscaler": ("autoscaling", "v2"),
}
CLUSTER_WIDE = {"Namespace", "ClusterRole", "CustomResourceDefinition", "PersistentVolume"}

POD = "spec.template.spec."
VERSION = 'metadata.labels["app.kubernetes.io/version"]'
EVIL = [
    "\x1b[31mred\x1b[0m\x07",
    "a\n::set-output name=x::pwned",
    "##[error]boo",
    "</details></summary><script>alert(1)</script><!-- sloth-ci:plan -->",
    "| a | b |\n|---|---|",
    "```\n# not a heading\n````\n",
    "@octocat and @org/team see #1, org/repo#2, GH-3, !4, https://evil.example/x www.evil.example",
    "user\u202egnp.exe\u2066\u200b\ufeff",
    "名前が長い" * 40,
    "`a`b``c",
    "a\\|b\\",
    "lone \udcff surrogate",
    "[red]rich[/red] :smile:",
    "",
    "-" * 300,
]


def body(kind: str, name: str, namespace: str = "shop", **rest: Any) -> Body:
    """An object with what is asked for and nothing else."""
    group, version = GROUPS.get(kind, ("", "v1"))
    metadata = {"name": name} if kind in CLUSTER_WIDE or not namespace else {"name": name, "namespace": namespace}
    return {"apiVersion": f"{group}/{version}" if group else version, "kind": kind, "metadata": metadata, **rest}


def change(
    type: ChangeType,
    kind: str,
    name: str,
    *fields: FieldChange,
    namespace: str = "shop",
    impact: Impact = Impact.LOW,
    reasons: tuple[str, ...] = ("configuration",),
    reversible: Reversible = "yes",
    path: str = "",
    line: int = 1,
    state: Body | None = None,
) -> Change:
    """One change. `state` is what the object holds on the side that has it."""
    group, version = GROUPS.get(kind, ("", "v1"))
    namespace = "" if kind in CLUSTER_WIDE else namespace
    state = state or body(kind, name, namespace)
    return Change(
        type=type,
        ref=Ref(group, kind, namespace, name),
        version=version,
        impact=impact,
        reasons=reasons,
        reversible=reversible,
        fields=fields,
        current_state=None if type == "create" else state,
        desired_state=None if type == "delete" else state,
        source=None if type == "delete" else Source(path or f"overlays/production/{kind.lower()}-{name}.yaml", line),
    )


def field(path: str, before: Any = UNSET, after: Any = UNSET, *, masked: bool = False) -> FieldChange:
    """One field of a change."""
    return FieldChange(path, before, after, masked)


def workload(name: str, image: str, replicas: int = 2, kind: str = "Deployment") -> Body:
    """A workload with one container."""
    container = {"name": name, "image": image, "ports": [{"containerPort": 8080}]}
    return body(kind, name, spec={"replicas": replicas, "template": {"spec": {"containers": [container]}}})


def plan(*changes: Change, **rest: Any) -> Plan:
    """A plan of these changes; anything else of it can be given by name."""
    values: dict[str, Any] = {
        "workflow_id": "shop-1a2b3c4d5e",
        "name": "shop",
        "environment": "production",
        "destination": "directory live/production",
        "revision": "4f2c9b1e8d7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e",
        "base": "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
        "digest": "9d5ed678fe57bcca610140957afab571.2c26b46b68ffc68ff99b453c1d304134",
        "conflicts": (),
        "warnings": (),
        "unchanged": 167,
        "skipped_files": 3,
        **rest,
    }
    return Plan(changes=changes, **values)


def forty() -> Plan:
    """Forty changes as a release brings them: every type, every impact, Secrets, a CRD, embedded documents, unicode."""
    H, M, C = Impact.HIGH, Impact.MEDIUM, Impact.CRITICAL  # noqa: N806 (letters read better in a table)
    image = POD + "containers[name={0}].image"
    restart = ("another image", "its pods are restarted")
    script = "#!/bin/sh\nset -eu\n" + "\n".join(f"echo step {i}" for i in range(40)) + "\n"
    services = ["ad", "cart", "catalog", "currency", "email", "frontend", "payment", "recommendation", "shipping"]
    changes = [
        change("delete", "PersistentVolumeClaim", "orders-data", impact=C, reversible="no",
               reasons=("its volume's data may be deleted with it",),
               state=body("PersistentVolumeClaim", "orders-data", spec={"resources": {"requests": {"storage": "20Gi"}}})),
        change("delete", "Secret", "legacy-gateway", impact=C,
               reasons=("whatever mounts or reads the secret fails at its next start",),
               state=body("Secret", "legacy-gateway", data={"token": "(secret 1f2e3d4c)", "url": "(secret 77aa0011)"})),
        change("recreate", "Service", "postgres", field("spec.clusterIP", "10.96.14.2", "None"),
               field("spec.publishNotReadyAddresses", UNSET, after=True), impact=H, reversible="partial",
               reasons=("deleted and made anew: there is a gap in between",), line=88, path="base/postgres.yaml"),
        change("update", "Deployment", "checkout", field("spec.replicas", 3, 5), field(image.format("server"),
               "registry.example/shop/checkout:1.25.0", "registry.example/shop/checkout:1.26.0"),
               field(POD + "containers[name=server].env[name=FEATURE_FLAGS]", UNSET, {"name": "FEATURE_FLAGS", "value": "a,b"}),
               field(POD + "containers[name=server].env[name=TRACE_RATIO]", UNSET, {"name": "TRACE_RATIO", "value": "0.1"}),
               field(POD + "containers[name=server].resources.limits.cpu", "500m", "1"),
               field(POD + "containers[name=server].resources.limits.memory", "256Mi", "512Mi"),
               field(POD + "containers[name=server].resources.requests.cpu", "100m", "250m"),
               field(POD + "containers[name=server].securityContext.privileged", before=False, after=True),
               field(POD + "serviceAccountName", "default", "checkout"),
               field(POD + "terminationGracePeriodSeconds", 30, 60),
               impact=H, reasons=("runs with more privileges", "runs under another service account", *restart), line=14),
        change("update", "ClusterRole", "shop-operator", field("rules[2].verbs[1]", UNSET, "delete"),
               field("rules[3]", UNSET, {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}),
               impact=H, reasons=("grants more rights",), path="base/rbac.yaml", line=31),
        change("update", "Deployment", "loadgenerator", field("spec.replicas", 2, 0), impact=H, reasons=("scaled to zero",),
               path="base/loadgenerator.yaml", line=17),
        change("update", "Service", "frontend-external", field("spec.selector.app", "frontend", "frontend-v2"),
               impact=H, reasons=("traffic goes to other pods",), line=9),
        change("update", "CustomResourceDefinition", "prometheuses.monitoring.coreos.com",
               field('metadata.annotations["controller-gen.kubebuilder.io/version"]', "v0.13.0", "v0.14.0"),
               *(field(f"spec.versions[name=v1].schema.openAPIV3Schema.properties.spec.properties.field{i}.description",
                       f"the old words about field {i}, which are rather long as such words are",
                       f"the new words about field {i}, which are even longer than the old ones were") for i in range(140)),
               impact=M, reasons=("the schema of an API changes",), reversible="partial",
               path="manifests/setup/0prometheusCustomResourceDefinition.yaml"),
        change("update", "Secret", "payment-provider", field("data.API_KEY", "(secret 3f9a1c2e)", "(secret 90bb17d4)", masked=True),
               field("data.WEBHOOK_SECRET", UNSET, "(secret 5c11aa09)", masked=True),
               field("data.OLD_KEY", "(secret aa55aa55)", UNSET, masked=True),
               impact=M, reasons=("a value of a secret changes",), line=3),
        change("update", "StatefulSet", "postgres", field(image.format("postgres"), "postgres:15.6", "postgres:16.2"),
               field("spec.volumeClaimTemplates[name=data].spec.resources.requests.storage", "20Gi", "50Gi"),
               impact=M, reasons=("other storage", *restart), path="base/postgres.yaml", line=12),
        change("update", "Ingress", "shop", field("spec.rules[host=shop.example].http.paths[1]", UNSET,
               {"path": "/v2", "backend": {"service": {"name": "frontend-v2", "port": {"number": 80}}}}),
               field("spec.tls[0].hosts[1]", UNSET, "www.shop.example"), impact=M,
               reasons=("traffic is routed in another way",), line=22),
        *(change("update", "Deployment", name, field(VERSION, "0.10.0", "0.10.1"),
                 field('spec.template.metadata.labels["app.kubernetes.io/version"]', "0.10.0", "0.10.1"),
                 field(image.format("server"), f"gcr.io/google-samples/microservices-demo/{name}service:v0.10.0",
                       f"gcr.io/google-samples/microservices-demo/{name}service:v0.10.1"),
                 impact=M, reasons=restart, path=f"kubernetes-manifests/{name}service.yaml", line=15 + len(name))
          for name in services),
        change("update", "CronJob", "nightly-report", field("spec.schedule", "0 3 * * *", "30 2 * * *"),
               field("spec.jobTemplate.spec.template.spec.containers[name=report].args[1]", "--days=1", "--days=7"),
               impact=M, reasons=("its pods are restarted",), line=5),
        change("create", "NetworkPolicy", "deny-all", impact=M, reasons=("traffic that no policy names is refused",), line=1,
               state=body("NetworkPolicy", "deny-all", spec={"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})),
        change("update", "HorizontalPodAutoscaler", "frontend", field("spec.maxReplicas", 8, 12),
               field("spec.metrics[0].resource.target.averageUtilization", 80, 70), impact=M,
               reasons=("another number of pods",), line=4),
        change("update", "ConfigMap", "checkout-config", field('data["app.json"] → log.level', "info", "debug"),
               field('data["app.json"] → cache.ttl_seconds', 300, 30), field('data["app.json"] → features[2]', UNSET, "wallet"),
               field('data["nginx.conf"]', "server {\n  listen 80;\n  server_name shop;\n}\n",
                     "server {\n  listen 8080;\n  server_name shop;\n  gzip on;\n}\n"), line=40),
        change("update", "ConfigMap", "scripts", field('data["migrate.sh"]', script, script.replace("step 20", "step twenty")),
               line=2),
        change("update", "PrometheusRule", "shop-slo",
               field("spec.groups[name=slo].rules[alert=HighLatency].expr",
                     'histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{job="checkout"}[5m]))) > 0.5',
                     'histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{job="checkout"}[5m]))) > 0.3'),
               field("spec.groups[name=slo].rules[alert=HighLatency].for", "10m", "5m"), line=7),
        change("create", "Deployment", "wallet", reasons=("a new object",), state=workload("wallet", "registry.example/shop/wallet:0.1.0", 2),
               path="overlays/production/wallet/deployment.yaml"),
        change("create", "Service", "wallet", reasons=("a new object",), path="overlays/production/wallet/service.yaml",
               state=body("Service", "wallet", spec={"type": "ClusterIP", "ports": [{"port": 80, "targetPort": 8080}]})),
        change("create", "ServiceAccount", "wallet", reasons=("a new object",), path="overlays/production/wallet/serviceaccount.yaml"),
        change("create", "Secret", "wallet", reasons=("a new object",), path="overlays/production/wallet/secret.yaml",
               state=body("Secret", "wallet", data={"dsn": "(secret 0badcafe)"})),
        change("create", "ServiceMonitor", "wallet", namespace="monitoring", reasons=("a new object",),
               path="overlays/production/wallet/servicemonitor.yaml",
               state=body("ServiceMonitor", "wallet", "monitoring", spec={"endpoints": [{"port": "http", "interval": "30s"}]})),
        change("create", "ConfigMap", "übersetzungen-日本語", reasons=("a new object",),
               path="overlays/production/übersetzungen.yaml",
               state=body("ConfigMap", "übersetzungen-日本語", data={"de.json": '{"hello": "Grüß Gott"}', "ja.json": '{"hello": "こんにちは"}'})),
        *(change("update", "Service", name, field(VERSION, "0.10.0", "0.10.1"), reasons=("only labels or annotations",),
                 path=f"kubernetes-manifests/{name}service.yaml", line=60 + len(name)) for name in services[:7]),
        change("delete", "ConfigMap", "old-banner", reasons=("the object is removed",), impact=M,
               state=body("ConfigMap", "old-banner", data={"text": "Sale!"})),
    ]  # fmt: skip
    conflicts = (
        Conflict("immutable_field", "Job/shop/migrate", "cannot be changed in place: spec.template.spec.containers[name=migrate].image",
                 ("leave the field as it is", 'let it be made anew with the annotation sloth-ci/on-immutable: "recreate"',
                  "give the object another name"),
                 {"spec.template.spec.containers[name=migrate].image": "registry.example/shop/migrate:41"},
                 {"spec.template.spec.containers[name=migrate].image": "registry.example/shop/migrate:42"},
                 Source("overlays/production/migrate.yaml", 18)),
        Conflict("duplicate_resource", "ConfigMap/shop/flags",
                 "declared in base/flags.yaml:1 and again in overlays/production/flags.yaml:1 with other content",
                 ("delete one of the two", "set target_path to the folder of one of them"),
                 source=Source("overlays/production/flags.yaml", 1)),
    )  # fmt: skip
    warnings = ('PersistentVolumeClaim/shop/archive is no longer in Git and stays: it says sloth-ci/prune: "false"',)
    ordered = sorted(changes, key=lambda c: (-c.impact, c.ref))
    return plan(*ordered, conflicts=conflicts, warnings=warnings)


EXEMPT = "or leave the object out with policy = { exempt = { … } }"


def finding(name: str, line: int = 1, said: str = "probes: container web has ports and no readinessProbe") -> Conflict:
    """What a rule of a policy finds in a Deployment."""
    way = f"mend what {said.partition(':')[0]} names"
    return Conflict("policy", f"Deployment/shop/{name}", said, (way, EXEMPT), source=Source(f"base/{name}.yaml", line))


def policed(count: int = 2) -> Plan:
    """A plan that a policy denies for one reason, and warns of for others: so many findings of one rule, one of another."""
    tag = "image_tags: container web: the image nginx:latest names no version"
    findings = [finding(f"w{i}", i + 1) for i in range(count)]
    findings.insert(1, finding("w0", 1, "team: no label says whose it is"))
    return plan(
        change("update", "Deployment", "web", field("spec.replicas", 1, 2)),
        conflicts=(finding("web", 14, tag),),
        findings=tuple(findings),
        warnings=("mind the gap",),
    )


def hostile() -> Plan:
    """Every text that can be foreign is an attack on the one who shows it."""
    rng = random.Random(7)
    changes = []
    for index, evil in enumerate(EVIL):
        impact = list(Impact)[index % 4]
        kind: ChangeType = ("update", "create", "delete", "recreate")[index % 4]
        changes.append(
            change(kind, "ConfigMap", evil, field(f"data[{evil!r}]", evil, evil + "x"), field("data.text", f"a\n{evil}\nb", f"a\n{evil}\nc"),
                   field("data.gone", evil, UNSET), field(evil, UNSET, {evil: [evil]}), namespace=rng.choice(EVIL), impact=impact,
                   reasons=(evil, rng.choice(EVIL)), reversible=("yes", "partial", "no")[index % 3], path=evil or "x",
                   state={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": evil}, "data": {evil: evil}})
        )  # fmt: skip
    conflicts = tuple(
        Conflict("field_ownership", evil, f"{evil} owns it", (evil, evil), {evil: evil}, {evil: evil + "1"}, Source(evil, 1)) for evil in EVIL
    )  # fmt: skip
    findings = tuple(Conflict("policy", evil, evil, (evil,), source=Source(evil, 1)) for evil in EVIL)
    return plan(
        *changes, conflicts=conflicts, findings=findings, warnings=tuple(EVIL), name=EVIL[3], environment=EVIL[4], destination=EVIL[6], revision=EVIL[1]
    )  # fmt: skip


def huge() -> Plan:
    """Texts of megabytes and objects of thousands of fields."""
    long_text = "\n".join(f"line {i}" for i in range(20_000))
    crd = body(
        "CustomResourceDefinition",
        "giants.example.com",
        spec={"fields": {f"f{i}": {"a": i, "b": [i, i + 1]} for i in range(5000)}},
    )
    return plan(
        change("update", "ConfigMap", "text", field("data.text", long_text, long_text.replace("line 10000", "line x"))),
        change(
            "update", "ConfigMap", "shuffled", field("data.text", long_text, "\n".join(reversed(long_text.split("\n"))))
        ),
        change(
            "update",
            "ConfigMap",
            "minified",
            field("data.json", "{" + "a" * 3_000_000 + "}", "{" + "a" * 2_999_999 + "b}"),
        ),
        change("create", "CustomResourceDefinition", "giants.example.com", state=crd),
        change(
            "update",
            "CustomResourceDefinition",
            "ants.example.com",
            *(field(f"spec.a{i}", i, i + 1) for i in range(20_000)),
        ),
        change("delete", "ConfigMap", "x" * 100_000, state=body("ConfigMap", "x", data={"k": "v" * 1_000_000})),
    )
