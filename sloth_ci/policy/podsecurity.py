"""Kubernetes' Pod Security Standards: what a pod may ask for at the levels `baseline` and `restricted`.

Source: kubernetes.io/docs/concepts/security/pod-security-standards, as the API server's PodSecurity admission enforces
`latest` in Kubernetes 1.37. Where the two differ, the server is right.

What is written in another shape than the API's is judged as far as it can be read: a field that must not be set is
breached by whatever stands there, and one that must be set is not set by something else than the right value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from sloth_ci.core.words import clip

Level = Literal["baseline", "restricted"]

_CONTAINERS: Final = (
    ("initContainers", "init container"),
    ("containers", "container"),
    ("ephemeralContainers", "ephemeral container"),
)
_CAPABILITIES: Final = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_NETWORK_BINDING: Final = frozenset({"NET_BIND_SERVICE"})
_PROFILES: Final = frozenset({"RuntimeDefault", "Localhost"})
_ARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_SELINUX_TYPES: Final = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
# Compared as written: `net/ipv4/tcp_syncookies`, which is another spelling of one of them, the server refuses.
_SYSCTLS: Final = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_notsent_lowat",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_slow_start_after_idle",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
_VOLUMES: Final = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS: Final = ("postStart", "preStop")
_LONGEST: Final = 100
"""Of a word of the manifest in a sentence."""


class _Part(NamedTuple):
    """The pod or one of its containers."""

    name: str
    body: Mapping[str, Any]

    @property
    def security(self) -> Mapping[str, Any]:
        return _table(self.body.get("securityContext"))


class _Pod(NamedTuple):
    whole: _Part
    containers: tuple[_Part, ...]
    annotations: Mapping[Any, Any]
    level: Level

    @property
    def parts(self) -> tuple[_Part, ...]:
        return (self.whole, *self.containers)

    @property
    def is_for_windows(self) -> bool:
        """Then the fields that `restricted` wants are not there: validation refuses them."""
        return _table(self.whole.body.get("os")).get("name") == "windows"

    @property
    def has_own_users(self) -> bool:
        """Whether it runs in a user namespace, where root is not the node's root."""
        return self.whole.body.get("hostUsers") is False


def breaches(spec: Mapping[str, Any], metadata: Mapping[str, Any], level: Level) -> list[str]:
    """What a pod asks for that a level forbids, and what it leaves out that the level wants.

    Args:
        spec: of the pod, as it is written in a manifest. It may have any shape.
        metadata: of the pod, or of the template that it is made from. Annotations may choose AppArmor profiles.
        level: `restricted` has all the rules of `baseline`.

    Returns:
        A short sentence for each breach, control by control: `container web: securityContext.privileged is true`. None
        where the API server would let the pod into a namespace with `pod-security.kubernetes.io/enforce: <level>`.
    """
    whole = _Part("pod", _table(spec))
    containers = tuple(
        _Part(_named(kind, container.get("name"), number), container)
        for key, kind in _CONTAINERS
        for number, container in enumerate(_tables(whole.body.get(key)), 1)
    )
    pod = _Pod(whole, containers, _table(_table(metadata).get("annotations")), level)
    controls = _BASELINE + _RESTRICTED if level == "restricted" else _BASELINE
    return [sentence for control in controls for sentence in control(pod)]


# --- baseline ------------------------------------------------------------------------------------------------------


def _host_process(pod: _Pod) -> Iterator[str]:
    for part in pod.parts:
        value = _table(part.security.get("windowsOptions")).get("hostProcess")
        if _is_on(value):
            yield f"{part.name}: securityContext.windowsOptions.hostProcess is {_told(value)}"


def _host_namespaces(pod: _Pod) -> Iterator[str]:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        value = pod.whole.body.get(key)
        if _is_on(value):
            yield f"pod: {key} is {_told(value)}"


def _privileged(pod: _Pod) -> Iterator[str]:
    for part in pod.containers:
        value = part.security.get("privileged")
        if _is_on(value):
            yield f"{part.name}: securityContext.privileged is {_told(value)}"


def _added_capabilities(pod: _Pod) -> Iterator[str]:
    allowed = _NETWORK_BINDING if pod.level == "restricted" else _CAPABILITIES
    for part in pod.containers:
        for value in _items(_table(part.security.get("capabilities")).get("add")):
            if not _is_one_of(value, allowed):
                yield f"{part.name}: securityContext.capabilities.add has {_told(value)}"


def _volumes(pod: _Pod) -> Iterator[str]:
    """Host paths; at `restricted`, all but a few types. A volume without a type is an emptyDir."""
    for number, volume in enumerate(_tables(pod.whole.body.get("volumes")), 1):
        for key, value in volume.items():
            if value is None or key == "name":
                continue
            if key == "hostPath" or (pod.level == "restricted" and not _is_one_of(key, _VOLUMES)):
                path = _table(value).get("path") if key == "hostPath" else None
                where = f" {_told(path)}" if path else ""
                yield f"{_named('volume', volume.get('name'), number)}: {_told(key)}{where}"


def _host_ports(pod: _Pod) -> Iterator[str]:
    # To a pod on the host's network the server first gives such ports, and names them, too: that is told once here.
    for part in pod.containers:
        for port in _tables(part.body.get("ports")):
            value = port.get("hostPort")
            if value is not None and value != 0:
                yield f"{part.name}: hostPort {_told(value)}"


def _hosts(pod: _Pod) -> Iterator[str]:
    """Of probes and hooks: the node would connect to whatever they name."""
    for part in pod.containers:
        hooks = _table(part.body.get("lifecycle"))
        handlers = [(key, part.body.get(key)) for key in _PROBES]
        handlers += [(f"lifecycle.{key}", hooks.get(key)) for key in _HOOKS]
        for path, handler in handlers:
            for key in ("httpGet", "tcpSocket"):
                value = _table(_table(handler).get(key)).get("host")
                if value is not None and value != "":
                    yield f"{part.name}: {path}.{key}.host is {_told(value)}"


def _apparmor(pod: _Pod) -> Iterator[str]:
    yield from _profiles(pod, "appArmorProfile")
    for key, value in pod.annotations.items():
        if not isinstance(key, str) or not key.startswith(_ARMOR) or value is None:
            continue
        if not isinstance(value, str) or (value not in {"", "runtime/default"} and not value.startswith("localhost/")):
            yield f"pod: annotation {clip(key, 2 * _LONGEST)} is {_told(value)}"


def _selinux(pod: _Pod) -> Iterator[str]:
    for part in pod.parts:
        options = _table(part.security.get("seLinuxOptions"))
        kind = options.get("type")
        if kind is not None and not _is_one_of(kind, _SELINUX_TYPES):
            yield f"{part.name}: securityContext.seLinuxOptions.type is {_told(kind)}"
        for key in ("user", "role"):
            value = options.get(key)
            if value is not None and value != "":
                yield f"{part.name}: securityContext.seLinuxOptions.{key} is {_told(value)}"


def _proc_mount(pod: _Pod) -> Iterator[str]:
    """At `baseline`, a pod with its own users may see all of /proc (since 1.35); at `restricted`, none may."""
    if pod.level == "baseline" and pod.has_own_users:
        return
    for part in pod.containers:
        value = part.security.get("procMount")
        if value is not None and value != "Default":
            yield f"{part.name}: securityContext.procMount is {_told(value)}"


def _seccomp(pod: _Pod) -> Iterator[str]:
    # The annotations of old are read by nobody any more.
    yield from _profiles(pod, "seccompProfile")


def _sysctls(pod: _Pod) -> Iterator[str]:
    for sysctl in _tables(pod.whole.security.get("sysctls")):
        if not _is_one_of(sysctl.get("name"), _SYSCTLS):
            yield f"pod: sysctl {_told(sysctl.get('name'))}"


# --- restricted ----------------------------------------------------------------------------------------------------


def _privilege_escalation(pod: _Pod) -> Iterator[str]:
    for part in () if pod.is_for_windows else pod.containers:
        if part.security.get("allowPrivilegeEscalation") is not False:
            yield f"{part.name}: securityContext.allowPrivilegeEscalation is not false"


def _run_as_non_root(pod: _Pod) -> Iterator[str]:
    # A pod that says false is refused even where all of its containers say true.
    if pod.has_own_users:
        return
    of_pod = pod.whole.security.get("runAsNonRoot")
    if of_pod is not None and of_pod is not True:
        yield f"pod: securityContext.runAsNonRoot is {_told(of_pod)}"
    for part in pod.containers:
        value = part.security.get("runAsNonRoot")
        if value is not None and value is not True:
            yield f"{part.name}: securityContext.runAsNonRoot is {_told(value)}"
        elif value is None and of_pod is None:
            yield f"{part.name}: runAsNonRoot is not true (also not for the pod)"


def _run_as_user(pod: _Pod) -> Iterator[str]:
    for part in () if pod.has_own_users else pod.parts:
        value = part.security.get("runAsUser")
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value == 0):
            yield f"{part.name}: securityContext.runAsUser is {_told(value)}"


def _seccomp_set(pod: _Pod) -> Iterator[str]:
    if pod.is_for_windows or pod.whole.security.get("seccompProfile") is not None:
        return
    for part in pod.containers:
        if part.security.get("seccompProfile") is None:
            yield f"{part.name}: seccompProfile is not set (also not for the pod)"


def _dropped_capabilities(pod: _Pod) -> Iterator[str]:
    for part in () if pod.is_for_windows else pod.containers:
        if "ALL" not in _items(_table(part.security.get("capabilities")).get("drop")):
            yield f"{part.name}: securityContext.capabilities.drop has no ALL"


_Control = Callable[[_Pod], Iterator[str]]
_BASELINE: Final[tuple[_Control, ...]] = (
    _host_process,
    _host_namespaces,
    _privileged,
    _added_capabilities,
    _volumes,
    _host_ports,
    _hosts,
    _apparmor,
    _selinux,
    _proc_mount,
    _seccomp,
    _sysctls,
)
_RESTRICTED: Final[tuple[_Control, ...]] = (
    _privilege_escalation,
    _run_as_non_root,
    _run_as_user,
    _seccomp_set,
    _dropped_capabilities,
)


# --- what is written -----------------------------------------------------------------------------------------------


def _profiles(pod: _Pod, key: str) -> Iterator[str]:
    for part in pod.parts:
        profile = part.security.get(key)
        kind = _table(profile).get("type")
        if profile is not None and not _is_one_of(kind, _PROFILES):
            yield f"{part.name}: securityContext.{key}.type is {_told(kind)}"


def _table(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _tables(value: object) -> Iterator[Mapping[Any, Any]]:
    return (item for item in _items(value) if isinstance(item, Mapping))


def _items(value: object) -> list[Any]:
    """Of a list; what stands there alone is one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _is_on(value: object) -> bool:
    return value is not None and value is not False


def _is_one_of(value: object, words: frozenset[str]) -> bool:
    return isinstance(value, str) and value in words


def _named(kind: str, name: object, number: int) -> str:
    """`container web`; by its place among those of its kind where it has no name."""
    return f"{kind} {(clip(name, _LONGEST) if isinstance(name, str) else '') or number}"


def _told(value: object) -> str:
    """A value in a sentence: a word, or what kind of thing it is."""
    match value:
        case None:
            return "not set"
        case bool():
            return "true" if value else "false"
        case str():
            return clip(value, _LONGEST) or '""'
        # What has thousands of digits is no number of this API, and Python refuses to write it down.
        case int() if abs(value) >= 2**63:
            return "a large number"
        case int() | float():
            return str(value)
        case Mapping():
            return "a table"
        case _:
            return "a list" if isinstance(value, list) else "another value"
