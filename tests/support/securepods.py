"""Pods on both sides of every control of the Pod Security Standards."""

from __future__ import annotations

import copy
from typing import Any, Final

Tree = dict[str, Any]
Edit = tuple[str, Any]
"""A path in a pod, `spec.containers.0.name`, and what to put there."""
Case = tuple[list[Edit], bool, bool]
"""What to change in a pod that both levels let in, and whether `baseline` and `restricted` refuse it then."""

SECURE: Final[Tree] = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(*, edits: list[Edit], security: Tree = SECURE) -> Tree:
    """A pod with an init container, the containers `web` and `side`, a volume, and what the edits say."""
    first, web, side = (_container(name, security) for name in ("first", "web", "side"))
    web["ports"] = [{"containerPort": 80}]
    spec: Tree = {"initContainers": [first], "containers": [web, side], "volumes": [{"name": "data", "emptyDir": {}}]}
    body: Tree = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    for path, value in edits:
        _put(body, path.split("."), copy.deepcopy(value))
    return body


def _container(name: str, security: Tree) -> Tree:
    return {"name": name, "image": "web:1", "securityContext": copy.deepcopy(security)}


def _put(body: Any, keys: list[str], value: object) -> None:
    """Put a value at the end of a path; what is not there on the way becomes a table. A dot in a key is written `~`."""
    for key in keys[:-1]:
        if isinstance(body, list):
            body = body[int(key)]
        else:
            body[key] = body.get(key) or {}
            body = body[key]
    if isinstance(body, list):
        body[int(keys[-1])] = value
    else:
        body[keys[-1].replace("~", ".")] = value


WEB = "spec.containers.0"
FIRST = "spec.initContainers.0"
ANNOTATION = "metadata.annotations.container~apparmor~security~beta~kubernetes~io/"
WINDOWS: Final[Edit] = ("spec.os", {"name": "windows"})
OWN_USERS: Final[Edit] = ("spec.hostUsers", False)
CSI = {"driver": "tests.example.com"}
CLAIM = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
GET = {"path": "/", "port": 80}
# Linux' capabilities, but for SYS_ADMIN and NET_RAW, which have cases of their own.
COMMON: Final = (
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
    *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
)
UNCOMMON: Final = (
    *("AUDIT_CONTROL", "AUDIT_READ", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "DAC_READ_SEARCH", "IPC_LOCK"),
    *("IPC_OWNER", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "NET_ADMIN", "NET_BROADCAST", "PERFMON"),
    *("SYS_BOOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME"),
    *("SYS_TTY_CONFIG", "SYSLOG", "WAKE_ALARM", "ALL"),
)

CASES: Final[list[Case]] = [
    ([], False, False),
    # HostProcess: validation wants the host's network with it.
    (
        [
            ("spec.hostNetwork", True),
            ("spec.securityContext.windowsOptions", {"hostProcess": True}),
            ("spec.initContainers", []),
        ],
        True,
        True,
    ),
    ([("spec.securityContext.windowsOptions", {"hostProcess": False})], False, False),
    ([(f"{WEB}.securityContext.windowsOptions", {"runAsUserName": "Ann"})], False, False),
    # Host namespaces
    *(([(f"spec.{key}", True)], True, True) for key in ("hostNetwork", "hostPID", "hostIPC")),
    *(([(f"spec.{key}", False)], False, False) for key in ("hostNetwork", "hostPID", "hostIPC")),
    ([("spec.hostPID", None)], False, False),
    # Privileged: validation wants privilege escalation with it.
    *(
        ([(f"{at}.securityContext", {**SECURE, "privileged": True, "allowPrivilegeEscalation": True})], True, True)
        for at in (WEB, FIRST)
    ),
    ([(f"{WEB}.securityContext.privileged", False)], False, False),
    # Capabilities
    ([(f"{WEB}.securityContext.capabilities.add", ["SYS_ADMIN"])], True, True),
    ([(f"{FIRST}.securityContext.capabilities.add", ["CHOWN", "NET_RAW"])], True, True),
    *(([(f"{WEB}.securityContext.capabilities.add", [name])], False, name != "NET_BIND_SERVICE") for name in COMMON),
    *(([(f"{WEB}.securityContext.capabilities.add", [name])], True, True) for name in UNCOMMON),
    ([(f"{WEB}.securityContext.capabilities.add", ["CAP_NET_BIND_SERVICE"])], True, True),
    ([(f"{WEB}.securityContext.capabilities.add", ["chown"])], True, True),
    ([(f"{WEB}.securityContext.capabilities.add", [])], False, False),
    ([(f"{WEB}.securityContext.capabilities.drop", ["NET_RAW", "ALL"])], False, False),
    ([(f"{WEB}.securityContext.capabilities.drop", ["NET_RAW"])], False, True),
    ([(f"{WEB}.securityContext.capabilities.drop", ["all"])], False, True),
    ([(f"{FIRST}.securityContext.capabilities", None)], False, True),
    # Volumes
    ([("spec.volumes.0", {"name": "data", "hostPath": {"path": "/"}})], True, True),
    ([("spec.volumes.0", {"name": "data"})], False, False),
    ([("spec.volumes.0", {"name": "data", "hostPath": None, "emptyDir": None})], False, False),
    ([("spec.volumes.0", {"name": "data", "configMap": {"name": "c"}})], False, False),
    ([("spec.volumes.0", {"name": "data", "secret": {"secretName": "s"}})], False, False),
    ([("spec.volumes.0", {"name": "data", "downwardAPI": {}})], False, False),
    ([("spec.volumes.0", {"name": "data", "projected": {"sources": []}})], False, False),
    ([("spec.volumes.0", {"name": "data", "csi": CSI})], False, False),
    ([("spec.volumes.0", {"name": "data", "persistentVolumeClaim": {"claimName": "c"}})], False, False),
    ([("spec.volumes.0", {"name": "data", "ephemeral": {"volumeClaimTemplate": CLAIM}})], False, False),
    ([("spec.volumes.0", {"name": "data", "image": {"reference": "data:1"}})], False, False),
    ([("spec.volumes.0", {"name": "data", "nfs": {"server": "files", "path": "/"}})], False, True),
    ([("spec.volumes.0", {"name": "data", "gcePersistentDisk": {"pdName": "d"}})], False, True),
    ([("spec.volumes.0", {"name": "data", "awsElasticBlockStore": {"volumeID": "d"}})], False, True),
    (
        [
            (
                "spec.volumes.0",
                {"name": "data", "iscsi": {"targetPortal": "1.2.3.4", "iqn": "iqn.2015-02.a.b:c", "lun": 0}},
            )
        ],
        False,
        True,
    ),
    ([("spec.volumes.0", {"name": "data", "glusterfs": {"endpoints": "e", "path": "p"}})], False, True),
    ([("spec.volumes.0", {"name": "data", "rbd": {"monitors": ["m"], "image": "i"}})], False, True),
    ([("spec.volumes.0", {"name": "data", "flexVolume": {"driver": "example.com/d"}})], False, True),
    ([("spec.volumes.0", {"name": "data", "cinder": {"volumeID": "d"}})], False, True),
    ([("spec.volumes.0", {"name": "data", "cephfs": {"monitors": ["m"]}})], False, True),
    ([("spec.volumes.0", {"name": "data", "fc": {"targetWWNs": ["w"], "lun": 0}})], False, True),
    ([("spec.volumes.0", {"name": "data", "azureFile": {"secretName": "s", "shareName": "s"}})], False, True),
    ([("spec.volumes.0", {"name": "data", "vsphereVolume": {"volumePath": "p"}})], False, True),
    ([("spec.volumes.0", {"name": "data", "gitRepo": {"repository": "https://git.example.com/a"}})], False, True),
    # Host ports
    ([(f"{WEB}.ports.0.hostPort", 80)], True, True),
    ([(f"{FIRST}.ports", [{"containerPort": 80, "hostPort": 81}])], True, True),
    ([(f"{WEB}.ports.0.hostPort", 0)], False, False),
    # Hosts of probes and hooks
    ([(f"{WEB}.livenessProbe", {"httpGet": {**GET, "host": "10.0.0.1"}})], True, True),
    ([(f"{WEB}.readinessProbe", {"tcpSocket": {"port": 80, "host": "127.0.0.1"}})], True, True),
    ([(f"{WEB}.startupProbe", {"httpGet": {**GET, "host": "a.example"}})], True, True),
    ([(f"{WEB}.lifecycle", {"postStart": {"httpGet": {**GET, "host": "a.example"}}})], True, True),
    ([(f"{WEB}.lifecycle", {"preStop": {"tcpSocket": {"port": 80, "host": "a.example"}}})], True, True),
    (
        [(f"{FIRST}.restartPolicy", "Always"), (f"{FIRST}.livenessProbe", {"tcpSocket": {"port": 80, "host": "a"}})],
        True,
        True,
    ),
    (
        [(f"{WEB}.livenessProbe", {"httpGet": {**GET, "host": ""}}), (f"{WEB}.readinessProbe", {"httpGet": GET})],
        False,
        False,
    ),
    ([(f"{WEB}.lifecycle", {"preStop": {"exec": {"command": ["true"]}}})], False, False),
    # AppArmor
    ([("spec.securityContext.appArmorProfile", {"type": "Unconfined"})], True, True),
    ([(f"{WEB}.securityContext.appArmorProfile", {"type": "Unconfined"})], True, True),
    ([(f"{FIRST}.securityContext.appArmorProfile", {"type": "Localhost", "localhostProfile": "p"})], False, False),
    ([("spec.securityContext.appArmorProfile", {"type": "RuntimeDefault"})], False, False),
    ([(f"{ANNOTATION}web", "unconfined")], True, True),
    ([(f"{ANNOTATION}web", "runtime/default")], False, False),
    ([(f"{ANNOTATION}web", "localhost/p")], False, False),
    ([(f"{ANNOTATION}web", "")], False, False),
    ([(f"{ANNOTATION}first", "unconfined")], True, True),
    # SELinux
    ([("spec.securityContext.seLinuxOptions", {"type": "spc_t"})], True, True),
    ([(f"{WEB}.securityContext.seLinuxOptions", {"type": "spc_t"})], True, True),
    ([(f"{WEB}.securityContext.seLinuxOptions", {"type": "container_kvm_t", "level": "s0"})], False, False),
    ([(f"{WEB}.securityContext.seLinuxOptions", {"type": "container_engine_t"})], False, False),
    ([(f"{WEB}.securityContext.seLinuxOptions", {"type": "", "user": "", "role": ""})], False, False),
    ([(f"{WEB}.securityContext.seLinuxOptions", {"user": "system_u"})], True, True),
    ([("spec.securityContext.seLinuxOptions", {"role": "system_r"})], True, True),
    # /proc: validation wants a user namespace for all that is not the default.
    ([(f"{WEB}.securityContext.procMount", "Default")], False, False),
    ([OWN_USERS, (f"{WEB}.securityContext.procMount", "Unmasked")], False, True),
    # Seccomp
    ([("spec.securityContext.seccompProfile", {"type": "Unconfined"})], True, True),
    ([(f"{WEB}.securityContext.seccompProfile", {"type": "Unconfined"})], True, True),
    ([(f"{WEB}.securityContext.seccompProfile", {"type": "Localhost", "localhostProfile": "p"})], False, False),
    ([(f"{WEB}.securityContext.seccompProfile", None)], False, True),
    (
        [
            (f"{WEB}.securityContext.seccompProfile", None),
            ("spec.securityContext.seccompProfile", {"type": "RuntimeDefault"}),
        ],
        False,
        False,
    ),
    ([("metadata.annotations", {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"})], False, False),
    # Sysctls
    ([("spec.securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}])], True, True),
    ([("spec.securityContext.sysctls", [{"name": "net/ipv4/tcp_syncookies", "value": "1"}])], True, True),
    *(
        ([("spec.securityContext.sysctls", [{"name": name, "value": "1"}])], False, False)
        for name in (
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
        )
    ),
    # Privilege escalation
    ([(f"{WEB}.securityContext.allowPrivilegeEscalation", True)], False, True),
    ([(f"{FIRST}.securityContext.allowPrivilegeEscalation", None)], False, True),
    # Not as root
    ([(f"{WEB}.securityContext.runAsNonRoot", False)], False, True),
    ([(f"{WEB}.securityContext.runAsNonRoot", None)], False, True),
    ([("spec.securityContext.runAsNonRoot", False)], False, True),
    ([(f"{WEB}.securityContext.runAsNonRoot", None), ("spec.securityContext.runAsNonRoot", True)], False, False),
    ([(f"{WEB}.securityContext.runAsUser", 0)], False, True),
    ([("spec.securityContext.runAsUser", 0)], False, True),
    ([(f"{WEB}.securityContext.runAsUser", 1000)], False, False),
    ([OWN_USERS, ("spec.securityContext", {"runAsUser": 0, "runAsNonRoot": False})], False, False),
    ([OWN_USERS, (f"{WEB}.securityContext.runAsNonRoot", None)], False, False),
    ([("spec.hostUsers", True), (f"{WEB}.securityContext.runAsUser", 0)], False, True),
    ([OWN_USERS, (f"{WEB}.securityContext.seccompProfile", None)], False, True),
    # Whatever is not said
    ([(f"{WEB}.securityContext", None)], False, True),
]

# For Windows: without the fields that its pods must not have.
WINDOWS_CASES: Final[list[Case]] = [
    ([WINDOWS, ("spec.securityContext.runAsNonRoot", True)], False, False),
    ([WINDOWS], False, True),
    ([("spec.os", {"name": "linux"}), ("spec.securityContext.runAsNonRoot", True)], False, True),
    (
        [
            WINDOWS,
            ("spec.securityContext.runAsNonRoot", True),
            ("spec.volumes.0.hostPath", {"path": "/"}),
            ("spec.volumes.0.emptyDir", None),
        ],
        True,
        True,
    ),
    (
        [
            WINDOWS,
            ("spec.hostNetwork", True),
            ("spec.securityContext", {"runAsNonRoot": True, "windowsOptions": {"hostProcess": True}}),
        ],
        True,
        True,
    ),
]
