"""An admission webhook on loopback, as the tests want it: it allows, rejects, changes or never answers."""

from __future__ import annotations

import base64
import contextlib
import http.server
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from support.cluster import ControlPlane
from support.tlsserver import TlsServer
from support.waiting import until

_GROUP: Final = "/apis/admissionregistration.k8s.io/v1"
_PROBE: Final = "harness-probe"
_numbers = itertools.count(1)


class Reject(NamedTuple):
    """The request is refused."""

    message: str
    code: int = 403


class Change(NamedTuple):
    """The object is changed on its way, by a JSON patch (RFC 6902)."""

    patch: Sequence[Mapping[str, Any]]


class Warn(NamedTuple):
    """The request is allowed, with a word to whoever asks."""

    message: str


class Hang(NamedTuple):
    """No answer, until the webhook is gone or the API server's patience ends."""


Answer = Reject | Change | Warn | Hang | None
"""What a webhook says; None allows."""


class Webhook:
    """A webhook that is registered."""

    def __init__(self, plane: ControlPlane, handler: Callable[[Mapping[str, Any]], Answer]) -> None:
        self.requests: list[Mapping[str, Any]] = []
        """The `request` of every review that came, dry-runs too."""
        self.handler = handler
        self.probed = 0
        """How often the API server has asked whether the webhook is in force."""
        self.server = TlsServer(plane.authority, "webhook", cast("type[_Handler]", self._answer))

    def review(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The response to one request."""
        self.requests.append(request)
        answer = self.handler(request)
        response: dict[str, Any] = {"uid": request["uid"], "allowed": not isinstance(answer, Reject)}
        if isinstance(answer, Reject):
            response["status"] = {"code": answer.code, "message": answer.message}
        elif isinstance(answer, Change):
            patch = base64.b64encode(json.dumps(answer.patch).encode()).decode()
            response |= {"patchType": "JSONPatch", "patch": patch}
        elif isinstance(answer, Warn):
            response["warnings"] = [answer.message]
        elif isinstance(answer, Hang):
            self.server.stopping.wait()
        return response

    def _answer(self, *args: Any) -> _Handler:
        return _Handler(self, *args)


@contextlib.contextmanager
def serve_webhook(
    plane: ControlPlane,
    handler: Callable[[Mapping[str, Any]], Answer],
    *,
    namespace: str,
    resources: Sequence[str] = ("*/*",),
    operations: Sequence[str] = ("CREATE", "UPDATE"),
    mutating: bool = False,
    timeout: int = 10,
    failure_policy: str = "Fail",
    side_effects: str = "None",
) -> Iterator[Webhook]:
    """Serve and register a webhook for one namespace while this lasts.

    Args:
        plane: what calls it.
        handler: takes the `request` of an AdmissionReview.
        namespace: whose objects it sees.
        resources: plural names, of any group and version; `*/*` is all with their subresources.
        operations: CREATE, UPDATE, DELETE, CONNECT.
        mutating: whether it may change objects.
        timeout: seconds until the API server goes on without an answer, as `failure_policy` says.
        failure_policy: `Fail` or `Ignore`.
        side_effects: `None`, `NoneOnDryRun`, or `Some`, with which no dry-run is possible.
    """
    webhook = Webhook(plane, handler)
    kind = "MutatingWebhookConfiguration" if mutating else "ValidatingWebhookConfiguration"
    name = f"harness-{next(_numbers)}-{webhook.server.server_port}"
    authority = base64.b64encode(plane.authority.files.certificate.read_bytes()).decode()
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": list(operations), "resources": list(resources)}
    hook = {
        "name": "webhook.tests.example.com",
        "clientConfig": {"url": f"{webhook.server.url}/", "caBundle": authority},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "objectSelector": {"matchExpressions": [{"key": _PROBE, "operator": "DoesNotExist"}]},
        "admissionReviewVersions": ["v1"],
        "failurePolicy": failure_policy,
        "sideEffects": side_effects,
        "timeoutSeconds": timeout,
    }
    probe = {
        **hook,
        "name": "probe.tests.example.com",
        "clientConfig": {"url": f"{webhook.server.url}/probe", "caBundle": authority},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
        "objectSelector": {"matchExpressions": [{"key": _PROBE, "operator": "Exists"}]},
        "sideEffects": "None",
    }
    path = f"{_GROUP}/{kind.lower()}s"
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}}

    def in_force() -> bool:
        before = webhook.probed
        asked = {"metadata": {"name": _PROBE, "labels": {_PROBE: ""}}}
        plane.api("POST", f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All", asked)
        return webhook.probed > before

    try:
        plane.api("POST", path, {**head, "webhooks": [hook, probe]})
        try:
            until(in_force, what="the webhook is in force")
            yield webhook
        finally:
            plane.api("DELETE", f"{path}/{name}")
            until(lambda: not in_force(), what="the webhook is forgotten")
    finally:
        webhook.server.stop()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, webhook: Webhook, *args: Any) -> None:
        self._webhook = webhook
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: `Webhook.requests` has it."""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith("/probe"):
            self._webhook.probed += 1
            response: dict[str, Any] = {"uid": review["request"]["uid"], "allowed": True}
        else:
            response = self._webhook.review(review["request"])
        content = json.dumps({**review, "response": response}).encode()
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
