"""Where one scenario is played for one tool: a namespace of its own, and what may happen in it."""

from __future__ import annotations

import base64
import contextlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

from sloth_ci.core.yaml import dump, parse
from support.cluster import ControlPlane, ControlPlaneError
from support.webhook import Answer, serve_webhook

Body = dict[str, Any]
NAMESPACE: Final = "$NS"
"""In a manifest: the namespace of the place, also a part of names that the whole cluster shares."""


class Key(NamedTuple):
    """An object, as every tool can name it."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(filter(None, self))


class Place:
    """A fresh namespace of a control plane."""

    def __init__(self, plane: ControlPlane, folder: Path, program: Path) -> None:
        """`program`: the kubectl of the people and tools here."""
        self.plane, self.folder, self.program = plane, folder, program
        self.namespace = plane.namespace(f"sb-{uuid.uuid4().hex[:8]}")
        self.stack = ExitStack()
        """What ends with the scenario: webhooks."""
        folder.mkdir(parents=True, exist_ok=True)
        config = json.loads(plane.admin.read_text())
        config["contexts"][0]["context"]["namespace"] = self.namespace
        self.kubeconfig = folder / "kubeconfig"
        """The administrator's, in this namespace."""
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(config))

    def fill(self, text: str) -> str:
        """A text for this place."""
        return text.replace(NAMESPACE, self.namespace)

    def texts(self, objects: Sequence[str | Body]) -> list[str]:
        """Manifests as they stand in files."""
        return [self.fill(item if isinstance(item, str) else dump(item)) for item in objects]

    def bodies(self, objects: Sequence[str | Body]) -> list[Body]:
        """Manifests as a reader of YAML sees them."""
        return [document.value for text in self.texts(objects) for document in parse(text.encode())]

    def write(self, objects: Sequence[str | Body], folder: Path) -> list[Body]:
        """Put manifests into a folder, each in a file, instead of those that are there. Returns what they say."""
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for number, text in enumerate(self.texts(objects)):
            (folder / f"{number:02}.yaml").write_text(text)
        return self.bodies(objects)

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """kubectl as the administrator, in the namespace. Raises ControlPlaneError with what it says."""
        filled = [self.fill(arg) for arg in args]
        return self.plane.kubectl(*filled, stdin=None if stdin is None else self.fill(stdin), config=self.kubeconfig)

    def key(self, body: Mapping[str, Any]) -> Key:
        """Who an object is. A kind that the server does not know yet is taken for one that lives in namespaces."""
        metadata, resource = body["metadata"], self._resource(body)
        namespaced = resource is None or resource["namespaced"]
        return Key(body["kind"], metadata.get("namespace", self.namespace) if namespaced else "", metadata["name"])

    def live(self, body: Mapping[str, Any]) -> Body | None:
        """The object that a manifest is about, as it is now, in the manifest's version; None where there is none."""
        resource = self._resource(body)
        if resource is None:
            return None
        metadata = body["metadata"]
        home = f"/namespaces/{metadata.get('namespace', self.namespace)}" if resource["namespaced"] else ""
        try:
            found: Body = self.plane.api(
                "GET", f"{_root(body['apiVersion'])}{home}/{resource['name']}/{metadata['name']}"
            )
        except ControlPlaneError as error:
            if ": 404 " in str(error):
                return None
            raise
        return found

    def _resource(self, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        try:
            served = self.plane.api("GET", _root(body["apiVersion"]))["resources"]
        except ControlPlaneError as error:
            if ": 404 " in str(error):
                return None
            raise
        return next((r for r in served if r["kind"] == body["kind"] and "/" not in r["name"]), None)


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


# --- what happens in a cluster --------------------------------------------------------------------------------------

Event = Callable[[Place], object]


def kubectl(*args: str, stdin: str | None = None) -> Event:
    """Somebody runs kubectl."""
    return lambda place: place.kubectl(*args, stdin=stdin)


def applied(*objects: str | Body, by: str = "", force: bool = False) -> Event:
    """Somebody applies: with the name of a manager server-side, else as `kubectl apply` always did."""
    way = ["--server-side", f"--field-manager={by}"] if by else []
    way += ["--force-conflicts"] if force else []
    return lambda place: place.kubectl("apply", *way, "-f", "-", stdin="\n---\n".join(place.texts(objects)))


def patched(what: str, patch: object, *, by: str = "kubectl-edit", subresource: str = "", kind: str = "merge") -> Event:
    """Somebody changes fields: `kubectl edit`, or with another name a controller."""
    options = [f"--type={kind}", f"--field-manager={by}", *([f"--subresource={subresource}"] if subresource else [])]
    return lambda place: place.kubectl("patch", what, *options, "-p", json.dumps(patch))


def created(body: Body) -> Event:
    """Somebody makes an object without applying it."""
    return lambda place: place.kubectl("create", "-f", "-", stdin=dump(body))


def webhook(
    handler: Callable[[Mapping[str, Any]], Answer], *resources: str, mutating: bool = False, **more: Any
) -> Event:
    """A webhook is registered for the namespace, until the end of the scenario. Requests of controllers pass."""

    def of_people(request: Mapping[str, Any]) -> Answer:
        return None if request["userInfo"]["username"].startswith("system:") else handler(request)

    def register(place: Place) -> None:
        served = serve_webhook(
            place.plane, of_people, namespace=place.namespace, resources=resources, mutating=mutating, **more
        )
        place.stack.enter_context(served)

    return register


def allowed_to_fail(event: Event) -> Event:
    """The same, and a refusal is all the same to it."""

    def run(place: Place) -> None:
        with contextlib.suppress(ControlPlaneError):
            event(place)

    return run


def encoded(text: str | bytes) -> str:
    """As `data` of a Secret."""
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()
