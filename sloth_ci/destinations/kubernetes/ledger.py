"""The ledger of a workflow in a Secret, which is the parent of its ApplySet as well."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from sloth_ci.core.errors import ConflictError, LockedError, UnreachableError, UsageError
from sloth_ci.core.ledger import LEDGER_FORMAT, Backup, Ledger
from sloth_ci.core.objects import Body
from sloth_ci.destinations.kubernetes.applyset import ID, TOOL, applyset_id, hints, parent_name, tool_of
from sloth_ci.destinations.kubernetes.backups import WORKFLOW, Backups, Packed, Unreadable, data_of, pack, unpack
from sloth_ci.destinations.kubernetes.state_namespace import SECRETS, StateNamespace, renewed

LEDGER_TYPE: Final = "sloth-ci/ledger"
MESSAGE: Final = "sloth-ci/message"
"""Annotation: what the last change of the ledger was for, as `kubectl describe` shows it."""

_LEDGER_BYTES: Final = 1000 * 1024
"""A Secret holds 1 MiB (k8s.io/api/core/v1 `MaxSecretSize`), and the index of backups takes 1 KiB of it."""
_HINT_BYTES: Final = 240 * 1024
"""Annotations hold 256 KiB together (k8s.io/apimachinery `TotalAnnotationSizeLimitB`)."""
_MESSAGE_LENGTH: Final = 200


class _Format(msgspec.Struct):
    format: int = 1


class _Seen(NamedTuple):
    """The state that the next change builds on."""

    parent: Body
    backups: Mapping[str, Packed]

    @property
    def version(self) -> str:
        return str(self.parent["metadata"]["resourceVersion"])


class _PackedLedger(NamedTuple):
    """A ledger as its Secret holds it."""

    data: bytes
    annotations: Mapping[str, str]


class SecretLedger:
    """`core.state.LedgerStore` in the Secret `sloth-<workflow id>`."""

    def __init__(self, space: StateNamespace, workflow_id: str) -> None:
        self._space = space
        self._workflow_id = workflow_id
        self._name = parent_name(workflow_id)
        self._backups = Backups(space, workflow_id)
        self._seen: _Seen | None = None
        self._loose = False
        """There may be chunks of backups that no ledger refers to."""

    @property
    def applyset(self) -> str:
        """The id of the set: the label of its members."""
        return applyset_id(self._name, self._space.name)

    def load(self) -> Ledger:
        """The newest ledger. Raises ConflictError where the Secret belongs to another tool, and UnreachableError."""
        self._seen, self._loose = None, True
        parent = self._space.read(SECRETS, self._name)
        if parent is None:
            return Ledger()
        self._check(parent)
        try:
            data = data_of(parent, "ledger")
            if unpack(data, _Format).format > LEDGER_FORMAT:
                raise UnreachableError(
                    f"the state {self} was written by a newer sloth-ci (format {unpack(data, _Format).format})",
                    "run the version that wrote it, or a newer one",
                )
            ledger = unpack(data, Ledger)
            index = _index(data_of(parent, "backups"))
        except Unreadable as error:
            raise self._damaged(str(error)) from None
        self._seen = _Seen(parent, index)
        return ledger

    def save(self, ledger: Ledger, message: str, *, backup: Backup | None = None) -> Ledger:
        """Write the backup, then the ledger that refers to it; what no ledger refers to any more goes."""
        if backup is not None:
            ledger = ledger.with_backup(backup.id)
        packed = self._packed(ledger)
        if self._seen is not None and self._loose:
            self._loose = self._backups.sweep(self._seen.backups, self._seen.version)
        before = self._seen.backups if self._seen else {}
        index = dict(before)
        if backup is not None:
            # The owner has to be there first: what it does not own would stay when it is deleted.
            owner = self._seen.parent if self._seen else self._write(self._packed(Ledger()), "begin", {})
            index[backup.id] = self._backups.write(backup, owner)
        index = {backup_id: known for backup_id, known in index.items() if backup_id in ledger.backups}
        self._write(packed, message, index)
        self._loose = self._loose or any(index.get(backup_id) != known for backup_id, known in before.items())
        return ledger

    def backup(self, backup_id: str) -> Backup:
        """Read one backup, and verify it."""
        index = self._seen.backups if self._seen else {}
        if backup_id not in index:
            raise UsageError(f"there is no backup '{backup_id}'", f"backups: {', '.join(sorted(index)) or 'none'}")
        return self._backups.read(backup_id, index[backup_id])

    def __str__(self) -> str:
        return f"Secret {self._space.name}/{self._name}"

    def _packed(self, ledger: Ledger) -> _PackedLedger:
        """Raises UsageError for what no Secret can hold."""
        data, annotations = pack(ledger), hints(ledger.inventory, self._space.name)
        if len(data) > _LEDGER_BYTES or sum(map(len, annotations.values())) > _HINT_BYTES:
            raise UsageError(
                f"the state of {len(ledger.inventory)} objects takes {len(data) // 1024} KiB compressed: "
                "more than a Secret holds",
                "make several workflows of it, each with a part of the objects",
            )
        return _PackedLedger(data, annotations)

    def _write(self, packed: _PackedLedger, message: str, index: Mapping[str, Packed]) -> Body:
        found = self._seen.parent if self._seen else None
        data = {"ledger": packed.data, "backups": msgspec.json.encode(index)}
        metadata = renewed(
            found,
            labels={ID: self.applyset, WORKFLOW: self._workflow_id},
            annotations={**packed.annotations, MESSAGE: " ".join(message.split())[:_MESSAGE_LENGTH]},
            write=secrets.token_hex(8),
        )
        parent = self._space.put(
            SECRETS,
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": LEDGER_TYPE,
                "metadata": {**metadata, "name": self._name, "namespace": self._space.name},
                "data": {key: b64encode(value).decode() for key, value in data.items()},
            },
        )
        if parent is None:
            raise LockedError(
                "somebody else changed the state of this workflow meanwhile", "run it again on what is there now"
            )
        self._seen = _Seen(parent, index)
        return parent

    def _check(self, parent: Body) -> None:
        metadata = parent["metadata"]
        tool = tool_of(metadata.get("annotations") or {})
        if tool != TOOL:
            raise ConflictError(
                f"the {self}, where the state is to be kept, belongs to {tool or 'somebody else'}",
                "give the workflow another name, or keep its state elsewhere with destination.state_namespace",
            )
        marked = (metadata.get("labels") or {}).get(ID)
        if marked != self.applyset:
            raise self._damaged(f"its label {ID} is {marked or 'gone'}, and should be {self.applyset}")
        if parent.get("type") != LEDGER_TYPE:
            raise self._damaged(f"its type is {parent.get('type')}, and should be {LEDGER_TYPE}")

    def _damaged(self, reason: str) -> UnreachableError:
        where = f"-n {self._space.name}"
        return UnreachableError(
            f"the state {self} cannot be read: {reason}",
            f"look at it with kubectl get secret {self._name} {where} -o yaml; kubectl delete secret {self._name} {where} "
            "forgets it with its backups, and the objects stay as they are",
        )


def _index(data: bytes) -> dict[str, Packed]:
    try:
        return msgspec.json.decode(data, type=dict[str, Packed])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("'backups' does not hold an index") from None
