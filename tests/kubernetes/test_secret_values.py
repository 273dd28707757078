"""What an API server or a webhook repeats of a Secret is not in the fault that is read from its answer."""

from __future__ import annotations

import base64
import json

import pytest

from sloth_ci.core.secrets import Fingerprinter, is_secret_path
from sloth_ci.destinations.kubernetes.faults import fault_of, private_values

KEY = '-----BEGIN KEY-----\nMIIEow"IBAAK<CAQEA\n-----END KEY-----\n'
HEAD = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}
BODIES = {
    "data": {**HEAD, "data": {"key": base64.b64encode(KEY.encode()).decode()}},
    "stringData": {**HEAD, "stringData": {"key": KEY}},
    "a misspelled field": {**HEAD, "stringdata": {"key": KEY}},
    "no map": {**HEAD, "data": [KEY]},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("quoted", [KEY, json.dumps(KEY), repr(KEY), f"{KEY}{KEY}"])
def test_a_value_is_recognised_however_it_is_quoted(body: dict[str, object], quoted: str) -> None:
    status = {"kind": "Status", "message": f"bad: {quoted}", "reason": "Invalid"}
    status["details"] = {"causes": [{"reason": "x", "field": "data", "message": quoted}]}  # type: ignore[assignment]
    fault = fault_of(422, json.dumps(status).encode(), private=private_values(body))
    for text in (fault.message, *(cause.message for cause in fault.causes)):
        assert "MIIEow" not in text
    assert fault.message.startswith("bad: ")


def test_every_field_of_a_secret_that_is_not_known_to_be_open_is_masked() -> None:
    body = {**HEAD, "type": "Opaque", "immutable": True, "stringdata": {"key": KEY}, "token": KEY, "data": {"a": "b"}}
    masked = Fingerprinter(b"key").mask(body)
    assert "MIIEow" not in json.dumps(masked)
    assert {key: masked[key] for key in HEAD} == HEAD
    assert (masked["type"], masked["immutable"]) == ("Opaque", True)


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        ("data.token", True),
        ('data["tls.crt"]', True),
        ("data", True),
        ('data["app.json"] → log.level', True),
        ("stringdata.key", True),
        ('["odd key"]', True),
        ("token", True),
        ("metadata.labels.app", False),
        ("metadata.name", False),
        ("type", False),
        ("immutable", False),
        ('metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]', True),
    ],
)
def test_which_fields_of_a_secret_hold_values(path: str, secret: bool) -> None:
    assert is_secret_path(path) == secret
