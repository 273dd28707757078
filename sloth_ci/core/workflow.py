"""What a workflow is: the tables of the Lua file, checked strictly."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from sloth_ci.core.tables import Duration, did_you_mean, read_table

__all__ = ["Duration", "did_you_mean", "read_table"]

Count = Annotated[int, msgspec.Meta(ge=0)]


class _Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    pass


class Credentials(_Table, frozen=True):
    """How to log in to a Git remote. Never printed: `repr` shows the type alone."""

    type: Literal["token", "basic", "ssh"] = "token"
    """Which of the other keys are used."""
    token: str | None = None
    """For `token`."""
    username: str | None = None
    """For `basic`; for `token` where the server wants a certain one."""
    password: str | None = None
    """For `basic`."""
    ssh_key: str | None = None
    """For `ssh`: the private key itself, or the path of its file. It has no passphrase."""
    token_env: str | None = None
    """The environment variable that holds the token: the script never sees the value. Likewise the next two."""
    password_env: str | None = None
    """The variable that holds the password."""
    ssh_key_env: str | None = None
    """The variable that holds the key or its path."""
    known_hosts: str | None = None
    """For `ssh`: the host keys, or the path of their file. Without it, a host that is not known yet is trusted."""

    def __repr__(self) -> str:
        return f"Credentials(type={self.type!r})"


class RepositorySpec(_Table, frozen=True):
    """`gitops.register_repository{}`."""

    url: str
    """A URL, `owner/name` (on the forge of this run, else GitHub), or a path of this machine."""
    branch: str | None = None
    """The branch to follow; None is the branch that the remote's HEAD names."""
    credentials: Credentials | None = None
    """How to log in. None: the token of the CI job for its own server, else what Git itself is set up with."""
    submodules: bool = False
    """Read submodules, too."""

    @property
    def id(self) -> str:
        """Stable across runners: made from the URL and the branch."""
        return stable_id(self.url, "repo", self.url, self.branch or "")


class Retry(_Table, frozen=True):
    """How often and when a failed change is tried again."""

    limit: int = 3
    """How often it is tried again, after the first time."""
    backoff: Literal["exponential", "linear", "fixed"] = "exponential"
    """How the wait grows: `delay` × 1, 2, 4, 8; × 1, 2, 3, 4; or × 1 each time."""
    delay: Duration = Duration(10)
    """The first wait."""
    max_duration: Duration = Duration(180)
    """The longest of the waits."""

    def delays(self) -> list[float]:
        """Seconds to wait before each retry, none longer than `max_duration`."""
        factor: dict[str, Callable[[int], int]] = {
            "exponential": lambda n: 2**n,
            "linear": lambda n: n + 1,
            "fixed": lambda n: 1,
        }
        step = factor[self.backoff]
        return [min(self.delay * step(n), self.max_duration) for n in range(self.limit)]


class HealthCheck(_Table, frozen=True):
    """What has to hold after an apply before the sync counts as done."""

    enabled: bool = True
    """Whether anything is checked at all."""
    timeout: Duration = Duration(300)
    """How long all checks together may take to hold; the last try has two seconds to answer, whatever is left."""
    interval: Duration = Duration(2)
    """How long to wait between two tries."""
    failure_mode: Literal["ignore", "fail", "rollback"] | None = None
    """None: `rollback` where the workflow says `rollback_on_failure`, else `fail`."""
    command: str | list[str] | None = None
    """Healthy when it exits with 0. A string goes to `sh -c`, a list runs as it is."""
    http: str | None = None
    """Healthy when a GET of this URL answers 2xx."""
    lua: Any = None
    """Healthy when this Lua function returns true."""
    ignore: list[str] = []
    """Objects of a cluster that are not waited for: `Kind`, or `Kind/namespace/name` with `*` for any part of it."""


class SyncPolicy(_Table, frozen=True):
    """`sync_policy = {...}`."""

    auto_prune: bool = True
    """Delete what the workflow put there and Git no longer has."""
    allow_empty: bool = False
    """Let a revision without any manifest delete everything."""
    prune_limit: float = 0.5
    """The largest share of the inventory that one sync may delete, 0 to 1."""
    retry: Retry = Retry()
    """When the destination does not answer."""
    health_check: HealthCheck = HealthCheck()
    """What has to hold after the apply."""
    pre_sync_hooks: list[Any] = []
    """Shell commands or Lua functions, run in order before the first change."""
    post_sync_hooks: list[Any] = []
    """The same, after the health check. One that fails makes the sync fail."""


class ConflictPolicy(_Table, frozen=True):
    """`conflicts = {...}`: what to do with a field or an object that somebody else owns."""

    field_ownership: Literal["fail", "yield", "force"] = "fail"
    """A field that another manager owns: refuse, leave it to its owner, or take it over."""
    managers: dict[str, Literal["fail", "yield", "force"]] = {}
    """The same for single managers, by their name."""
    foreign_owner: Literal["fail", "adopt"] = "fail"
    """An object that Helm, Argo CD, Flux, another workflow or a file of somebody else's holds: `adopt` takes it over.

    Likewise the state of a workflow that another repository keeps there under the same id, as after a rename.
    """


class DestinationSpec(_Table, frozen=True):
    """`destination = {...}`: a Kubernetes cluster, a directory, or a branch of rendered manifests."""

    context: str | None = None
    """A cluster: the context of the kubeconfig. Empty is its current one."""
    kubeconfig: str | None = None
    """The kubeconfig's path, relative to the directory of the workflow file. None: `KUBECONFIG`, else `~/.kube/config`."""
    kubeconfig_env: str | None = None
    """The environment variable that holds the kubeconfig itself, plain or in base64, as CI keeps it."""
    in_cluster: bool = False
    """The cluster that this runs in, with the service account of its pod."""
    state_namespace: str | None = None
    """Namespace of the inventory, lock and backups. None: `namespace`, else the context's, else `default`."""
    directory: str | None = None
    """Path, relative to the directory of the workflow file."""
    branch: str | None = None
    """Name of a branch that holds rendered manifests and nothing that is written by hand."""
    repository: str | None = None
    """Where the branch is: a URL or a path; None is the workflow's own repository."""
    path: str = ""
    """Folder on the branch that holds the manifests."""
    namespace: str | None = None
    """Namespace for objects that name none."""


class HelmSpec(_Table, frozen=True):
    """`render = { helm = {...} }`."""

    release: str | None = None
    """Name of the release; None is the chart's name."""
    namespace: str | None = None
    """Namespace of the release; None is the destination's, else `default`."""
    values: dict[str, Any] = {}
    """Values, over all files."""
    values_files: list[str] = []
    """Values files, the later over the earlier: paths in the chart, else from the root of the repository."""
    environment_values: dict[str, list[str]] = {}
    """More of them by the name of the environment. `values-<environment>.yaml` in the chart is found by itself."""
    kube_version: str | None = None
    """The version of Kubernetes that the chart is told."""
    api_versions: list[str] = []
    """API versions that the chart is told are there."""
    include_crds: bool = True
    """Render what is in `crds/`, too."""


class RenderSpec(_Table, frozen=True):
    """`render = {...}`: how `target_path` becomes objects. Without it, what is there decides."""

    type: Literal["auto", "plain", "kustomize", "helm"] = "auto"
    """`auto`: a kustomization, a chart, or else plain manifests, by what is in the folder."""
    helm: HelmSpec = HelmSpec()
    """For a chart."""
    allow_remote_bases: bool = False
    """Let kustomize and Helm fetch bases and charts over the network."""
    allow_exec_plugins: bool = False
    """Let kustomize run plugins. They are programs: only for repositories whose every author you trust."""
    allow_lookup: bool = False
    """Do not warn where a chart uses `lookup`. It finds nothing, as no cluster is asked."""


ImpactName = Literal["low", "medium", "high", "critical"]


class ApprovalSpec(_Table, frozen=True):
    """`approval = {...}`: who has to agree to a plan on its pull request. It makes an approval required."""

    reviews: Count = 1
    """How many people, other than the author and whoever pushed, have to approve the plan."""
    code_owners: bool = False
    """For each rule of CODEOWNERS that names a manifest of a change, one of its owners has to be among them."""
    from_impact: ImpactName = "low"
    """A plan whose highest impact is below this one needs no approval."""
    by_impact: dict[ImpactName, Count] = {}
    """More `reviews` from an impact on: `{ critical = 2 }`."""


class RuleSet(_Table, frozen=True):
    """`deny` and `warn` of `policy = {...}`: rules that the objects of a plan are held to."""

    image_tags: bool = False
    """Every image names a version: no `latest`, and no image without a tag or a digest."""
    registries: list[str] = []
    """Where images may come from: `ghcr.io/acme`, or a pattern such as `*.example.com/*`. Docker Hub is `docker.io`."""
    resources: bool = False
    """Every container asks for CPU and memory, and has a limit of memory."""
    probes: bool = False
    """Every container that serves (of a Deployment, StatefulSet or DaemonSet) has a readiness probe."""
    pod_security: Literal["baseline", "restricted"] | None = None
    """A level of Kubernetes' Pod Security Standards."""
    kinds: list[str] = []
    """Kinds that the workflow may not hold: `ClusterRoleBinding`, or `Kind.group`."""
    namespaces: list[str] = []
    """The only namespaces that it may put objects into; `*` stands for any part of a name. What has none is not held to it."""
    keep: list[str] = []
    """Objects that are never deleted or made anew: `Kind`, or `Kind/namespace/name` with `*` for any part of it."""
    rules: dict[str, Any] = {}
    """Rules of your own by name: functions of a change, which return nothing where it is well, or false and why not."""


class PolicySpec(_Table, frozen=True):
    """`policy = {...}`: what may be deployed, whoever approves it."""

    deny: RuleSet = RuleSet()
    """What breaks one of these is a conflict, and nothing is applied."""
    warn: RuleSet = RuleSet()
    """What breaks one of these is told to the reviewer."""
    exempt: list[str] = []
    """Objects that are held to none of it: as in `keep`."""


class FreezeSpec(_Table, frozen=True):
    """One entry of `freeze = { {...} }`: a time in which nothing is synced."""

    start: str = msgspec.field(name="from")
    """A day and a time of every week, such as `"Fri 16:00"`, or a date and time, such as `"2026-12-20 00:00"`."""
    end: str = msgspec.field(name="to")
    """Likewise."""
    timezone: str = "UTC"
    """The zone of both, such as `"Europe/Berlin"`."""
    reason: str = ""
    """What people are told."""
    below: ImpactName | None = None
    """A plan whose highest impact is below this one is let through."""


PushLevel = Literal["none", "conflicts", "changes", "low", "medium", "high", "critical"]


class PushSpec(_Table, frozen=True):
    """`push = {...}`: when the pre-push hook stands in the way of a push. Each level is one that `fail-on` knows, too."""

    block: PushLevel = "conflicts"
    """Stop the push: at `conflicts` and manifests that cannot be read, at any of the `changes`, or from an impact on."""
    ask: PushLevel = "none"
    """Ask at the terminal, from the same levels on. Where nobody can be asked, the push goes on."""


class WorkflowSpec(_Table, frozen=True):
    """One unit of deployment: what `gitops.workflow{}` and `gitops.create_workflow{}` declare."""

    repository: RepositorySpec
    """Where the manifests are: an id of `register_repository`, a URL or path, or its table. `repo` is short for it."""
    name: str = "default"
    """For people, and part of the id. Without it, the repository's name."""
    branch: str | None = None
    """The branch to deploy; None is the repository's."""
    target_path: str = ""
    """The folder of the manifests, from the root of the repository; empty is all of it."""
    url: str | None = None
    """The page of what is deployed, for the deployments of a forge to link to."""
    environment: str | None = None
    """A name such as `production`: chooses the workflow with `--environment`, and values files."""
    destination: DestinationSpec | None = None
    """Where to. None: the directory `.sloth/live/<id>` beside the workflow file."""
    render: RenderSpec = RenderSpec()
    """How the folder becomes objects."""
    auto_sync: bool = False
    """Whether `run` and `controller` sync it; others are previewed by `run`."""
    diff_preview: bool = True
    """Whether `run` previews it where it does not sync it."""
    rollback_on_failure: bool = False
    """Put the destination and Git back when a sync fails."""
    approval_required: bool = False
    """Sync only a plan that somebody approved."""
    approval: ApprovalSpec | None = None
    """Who has to approve it. Without it, one person."""
    freeze: list[FreezeSpec] = []
    """Times in which nothing is synced. A rollback always may be."""
    sync_interval: Duration = Duration(300)
    """How long the controller waits between two syncs."""
    sync_policy: SyncPolicy = SyncPolicy()
    """How a sync goes about it."""
    conflicts: ConflictPolicy = ConflictPolicy()
    """What to do with what somebody else owns."""
    policy: PolicySpec = PolicySpec()
    """What may be deployed, whoever approves it."""
    push: PushSpec = PushSpec()
    """When the pre-push hook stands in the way of a push that would change it."""
    branch_strategy: Literal["github-flow", "gitflow"] | dict[str, str] | None = None
    """Which branch belongs to which environment; a table maps branch patterns to environments."""
    depends_on: list[str] = []
    """Names or ids of workflows that auto-sync syncs before this one."""

    @property
    def approval_rules(self) -> ApprovalSpec | None:
        """The rules of an approval; None where none is required."""
        return self.approval or (ApprovalSpec() if self.approval_required else None)

    @property
    def id(self) -> str:
        """Stable across runners: made from the repository, path, environment and name, and nothing else."""
        return stable_id(
            self.name, "workflow", self.repository.url, self.target_path, self.environment or "", self.name
        )


def stable_id(label: str, *parts: str) -> str:
    """A readable id: the label in lower case with dashes, and 10 hex digits of the hash of the parts."""
    slug = re.sub(r"[^a-z0-9]+", "-", label.rsplit("/", 1)[-1].removesuffix(".git").lower()).strip("-")[:40]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]
    return f"{slug}-{digest}" if slug else digest
