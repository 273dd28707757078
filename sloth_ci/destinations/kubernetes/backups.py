"""Backups as Secrets: compressed, in chunks that fit, and never changed once they are written.

What a backup is made of, the ledger knows: a number of chunks and the checksum of the whole. Chunks are written before
the ledger that refers to them, so a run that is killed in between leaves chunks that nobody refers to, and no ledger that
refers to nothing. They belong to the ledger's Secret and go with it.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec

from sloth_ci.core.errors import UnreachableError
from sloth_ci.core.ledger import Backup
from sloth_ci.core.objects import Body
from sloth_ci.destinations.kubernetes.applyset import parent_name
from sloth_ci.destinations.kubernetes.state_namespace import MANAGED_BY, SECRETS, WRITE, StateNamespace

BACKUP_TYPE: Final = "sloth-ci/backup"
WORKFLOW: Final = "sloth-ci/workflow"
"""Label: the id of the workflow that a Secret belongs to."""
BACKUP: Final = "sloth-ci/backup"
"""Label: the id of the backup that a chunk is a part of."""

CHUNK_BYTES: Final = 700 * 1024
"""A Secret holds 1 MiB, and etcd takes requests of 1.5 MiB: base64 and metadata included, this stays under both."""

_LEVEL: Final = 3
"""Of gzip: a third of the time of its default for a tenth more bytes."""

T = TypeVar("T")


class Packed(msgspec.Struct, frozen=True):
    """What a ledger knows of a backup."""

    chunks: int
    sha256: str
    """Of all chunks together, in hex."""


class Unreadable(ValueError):
    """Data is damaged. Says how, and nothing of what is in it."""


class Backups:
    """The backups of one workflow."""

    def __init__(self, space: StateNamespace, workflow_id: str) -> None:
        self._space = space
        self._workflow_id = workflow_id

    def write(self, backup: Backup, owner: Body) -> Packed:
        """Write the chunks. `owner` is the Secret that they are collected with. Raises UnreachableError."""
        data = pack(backup)
        packed = Packed(max(1, -(-len(data) // CHUNK_BYTES)), hashlib.sha256(data).hexdigest())
        owned_by = {"apiVersion": "v1", "kind": "Secret"} | {k: owner["metadata"][k] for k in ("name", "uid")}

        def chunk(number: int) -> Body:
            part = data[(number - 1) * CHUNK_BYTES : number * CHUNK_BYTES]
            return {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": BACKUP_TYPE,
                "immutable": True,
                "metadata": {
                    "name": self._name(backup.id, packed, number),
                    "namespace": self._space.name,
                    "labels": {**MANAGED_BY, WORKFLOW: self._workflow_id, BACKUP: backup.id},
                    "annotations": {
                        "sloth-ci/chunk": f"{number} of {packed.chunks}",
                        "sloth-ci/sha256": packed.sha256,
                        "sloth-ci/taken": datetime.fromtimestamp(backup.taken, UTC).isoformat(timespec="seconds"),
                        WRITE: hashlib.sha256(part).hexdigest(),
                    },
                    "ownerReferences": [owned_by],
                },
                "data": {"chunk": b64encode(part).decode()},
            }

        def put(number: int) -> None:
            body = chunk(number)
            if self._space.put(SECRETS, body) is None:
                raise UnreachableError(
                    f"the Secret {self._space.name}/{body['metadata']['name']}, which is to hold a backup, is there already",
                    "look at who made it, and delete it",
                )

        self._space.client.map(put, range(1, packed.chunks + 1))
        return packed

    def read(self, backup_id: str, packed: Packed) -> Backup:
        """Raises UnreachableError where chunks are missing or damaged."""
        names = [self._name(backup_id, packed, number) for number in range(1, packed.chunks + 1)]
        found = self._space.client.map(lambda name: self._space.read(SECRETS, name), names)
        missing = [name for name, secret in zip(names, found, strict=True) if secret is None]
        if missing:
            raise self._damaged(
                backup_id, f"{len(missing)} of {packed.chunks} chunks are missing: {', '.join(missing)}"
            )
        try:
            data = b"".join(data_of(secret, "chunk") for secret in found if secret is not None)
            if hashlib.sha256(data).hexdigest() != packed.sha256:
                raise Unreadable("its checksum is wrong")
            backup = unpack(data, Backup)
        except Unreadable as error:
            raise self._damaged(backup_id, str(error)) from None
        if backup.id != backup_id:
            raise self._damaged(backup_id, "it is another backup")
        return backup

    def sweep(self, index: Mapping[str, Packed], resource_version: str) -> bool:
        """Delete the chunks that the ledger, at this version, does not refer to. Returns whether some may be left.

        Only chunks that are older than the ledger are deleted. A younger one may be what another run is about to refer
        to; that run fails where it has not seen this ledger, and then its chunks are older than the next one.
        Versions of objects of one kind may be compared (KEP-5504).
        """
        kept = {self._name(i, packed, n) for i, packed in index.items() for n in range(1, packed.chunks + 1)}
        found = self._space.listed(SECRETS, labels=f"{WORKFLOW}={self._workflow_id}", fields=f"type={BACKUP_TYPE}")
        loose = [item for item in found if item["name"] not in kept]
        old = [item for item in loose if int(item["resourceVersion"]) < int(resource_version)]
        self._space.client.map(lambda item: self._space.delete(SECRETS, item["name"], item["uid"]), old)
        return len(old) < len(loose)

    def _name(self, backup_id: str, packed: Packed, number: int) -> str:
        """With a part of the checksum: a backup that is taken again stands beside the first until the ledger has it."""
        return f"{parent_name(self._workflow_id)}-{backup_id}-{packed.sha256[:8]}-{number}"

    def _damaged(self, backup_id: str, reason: str) -> UnreachableError:
        return UnreachableError(
            f"the backup '{backup_id}' in the namespace {self._space.name} cannot be read: {reason}",
            "go back to another one, or to a revision of Git",
        )


def pack(value: object) -> bytes:
    """Compressed JSON; the same value gives the same bytes."""
    return gzip.compress(msgspec.json.encode(value), compresslevel=_LEVEL, mtime=0)


def unpack(data: bytes, kind: type[T]) -> T:
    """Raises Unreadable."""
    try:
        return msgspec.json.decode(gzip.decompress(data), type=kind)
    except (OSError, EOFError, zlib.error):
        raise Unreadable("it is not gzip, or cut off") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable(f"it does not hold a {kind.__name__.lower()}") from None


def data_of(secret: Body, key: str) -> bytes:
    """One value of a Secret. Raises Unreadable."""
    value = (secret.get("data") or {}).get(key)
    if value is None:
        raise Unreadable(f"'{key}' is not in it")
    try:
        return b64decode(value, validate=True)
    except NotBase64:
        raise Unreadable(f"'{key}' is not base64") from None
