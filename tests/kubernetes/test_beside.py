"""Items that others put beside ours: whose they are, and the command that takes them out."""

from __future__ import annotations

import shlex

import pytest

from sloth_ci.core.objects import Body
from sloth_ci.core.plan import Conflict
from sloth_ci.destinations.kubernetes.cluster import Cluster
from support.bodies import manifest
from support.cluster import ControlPlane
from support.editors import Editors
from support.looking import foreseen, look


@pytest.fixture
def editors(cluster: Cluster) -> Editors:
    return Editors(cluster)


def service(editors: Editors, *ports: dict[str, object]) -> Body:
    return editors.body("Service", "web", spec={"selector": {"app": "web"}, "ports": list(ports)})


def patched(plane: ControlPlane, editors: Editors, patch: str) -> None:
    """As a person does it."""
    where = f"--namespace={editors.cluster.namespace}"
    plane.kubectl("patch", "service", "web", where, "--type=json", "--patch", patch)


def conflict_of(editors: Editors, body: Body) -> Conflict:
    (conflict,) = foreseen(look(editors, body, inventory=[manifest(body).ref]), body).conflicts
    return conflict


def follow(plane: ControlPlane, suggestion: str) -> None:
    said, _, command = suggestion.partition(": kubectl ")
    assert said == "take it out"
    plane.kubectl(*shlex.split(command))


def test_a_port_that_somebody_changed_is_said_to_be_his(editors: Editors, control_plane: ControlPlane) -> None:
    body = service(editors, {"name": "http", "port": 80})
    editors.sync(body)
    patched(control_plane, editors, '[{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]')
    conflict = conflict_of(editors, body)
    assert conflict.type == "validation"
    assert conflict.description.startswith('spec.ports[1].name: Duplicate value: "http"')
    assert conflict.description.endswith("spec.ports[port=81] of kubectl-patch stands beside yours")
    way, other = conflict.suggestions
    assert other == "or change the manifest"
    follow(control_plane, way)
    after = editors.sync(body)
    assert [(port["name"], port["port"]) for port in after["spec"]["ports"]] == [("http", 80)]


def test_an_item_beside_one_of_ours_is_taken_out_alone(editors: Editors, control_plane: ControlPlane) -> None:
    editors.sync(service(editors, {"name": "http", "port": 80}))
    patched(
        control_plane, editors, '[{"op": "add", "path": "/spec/ports/0", "value": {"name": "admin", "port": 9000}}]'
    )
    body = service(editors, {"name": "http", "port": 80}, {"name": "admin", "port": 9001})
    conflict = conflict_of(editors, body)
    assert conflict.description.endswith("spec.ports[port=9000] of kubectl-patch stands beside yours")
    follow(control_plane, conflict.suggestions[0])
    after = editors.sync(body)
    assert [port["port"] for port in after["spec"]["ports"]] == [80, 9001]


def test_what_is_there_twice_in_the_manifest_is_the_manifests(editors: Editors) -> None:
    editors.sync(service(editors, {"name": "http", "port": 80}))
    conflict = conflict_of(editors, service(editors, {"name": "http", "port": 80}, {"name": "http", "port": 81}))
    assert "stands beside" not in conflict.description
    assert conflict.suggestions == ("correct the manifest",)
