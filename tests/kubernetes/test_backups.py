"""Backups in Secrets: whole or not at all, bounded, never ahead of what the ledger knows, and silent about contents."""

from __future__ import annotations

from base64 import b64decode, b64encode
from random import Random
from typing import Any

import msgspec
import pytest

from sloth_ci.core.errors import UnreachableError, UsageError
from sloth_ci.core.ledger import BACKUP_LIMIT, Backup, BackupItem, Journal, Ledger
from sloth_ci.core.objects import Ref
from sloth_ci.destinations.kubernetes.backups import CHUNK_BYTES, Backups
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.state import KubernetesHome
from sloth_ci.destinations.kubernetes.state_namespace import SECRETS, StateNamespace
from support.waiting import until

WORKFLOW = "shop-0123456789"
PRIVATE = "hunter2hunter2"


@pytest.fixture
def home(cluster: Cluster) -> KubernetesHome:
    return KubernetesHome(cluster, cluster.namespace)


def backup_of(backup_id: str, *, size: int = 10, seed: int = 0) -> Backup:
    """Its body does not compress, as keys and certificates do not."""
    secret = Ref("", "Secret", "shop", "key")
    noise = b64encode(Random(seed).randbytes(size)).decode()
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "data": {"key": noise, "password": PRIVATE}}
    items = (BackupItem(Ref("", "ConfigMap", "shop", "new"), None), BackupItem(secret, body))
    return Backup(id=backup_id, taken=1700000000.25, revision="abc", inventory=(secret,), items=items)


def chunks(cluster: Cluster) -> list[dict[str, Any]]:
    path = f"/api/v1/namespaces/{cluster.namespace}/secrets"
    found: list[dict[str, Any]] = cluster.client.json("GET", path, query={"fieldSelector": "type=sloth-ci/backup"})[
        "items"
    ]
    return sorted(found, key=lambda item: str(item["metadata"]["name"]))


def ids(cluster: Cluster) -> list[str]:
    return sorted({item["metadata"]["labels"]["sloth-ci/backup"] for item in chunks(cluster)})


def journal(backup_id: str) -> Journal:
    return Journal(id="sync-9", action="sync", revision="a", digest="b", phase="applying", backup=backup_id, started=1)


def test_a_backup_is_read_as_it_was_written(home: KubernetesHome) -> None:
    store = home.ledger(WORKFLOW)
    backup = backup_of("sync-1")
    ledger = store.save(Ledger(), "applying", backup=backup)
    assert ledger.backups == ("sync-1",)
    assert store.backup("sync-1") == backup
    other = home.ledger(WORKFLOW)
    assert other.load() == ledger
    assert other.backup("sync-1") == backup


def test_a_large_one_is_cut_into_secrets_that_fit(home: KubernetesHome, cluster: Cluster) -> None:
    store = home.ledger(WORKFLOW)
    backup = backup_of("sync-1", size=2_000_000)
    store.save(Ledger(), "applying", backup=backup)
    found = chunks(cluster)
    owner = cluster.client.json("GET", f"/api/v1/namespaces/{cluster.namespace}/secrets/sloth-{WORKFLOW}")
    assert len(found) == 3
    for number, chunk in enumerate(found, start=1):
        metadata = chunk["metadata"]
        assert len(b64decode(chunk["data"]["chunk"])) <= CHUNK_BYTES == 700 * 1024
        assert chunk["type"] == "sloth-ci/backup"
        assert chunk["immutable"] is True
        assert metadata["labels"]["sloth-ci/workflow"] == WORKFLOW
        assert metadata["annotations"]["sloth-ci/chunk"] == f"{number} of 3"
        assert metadata["annotations"]["sloth-ci/taken"] == "2023-11-14T22:13:20+00:00"
        assert [ref["uid"] for ref in metadata["ownerReferences"]] == [owner["metadata"]["uid"]]
    assert store.backup("sync-1") == backup


def test_the_last_ones_are_kept(home: KubernetesHome, cluster: Cluster) -> None:
    store = home.ledger(WORKFLOW)
    ledger = Ledger()
    made = [f"sync-{n:02}" for n in range(BACKUP_LIMIT + 3)]
    for backup_id in made:
        ledger = store.save(ledger, "applying", backup=backup_of(backup_id))
        ledger = store.save(ledger, "done")
    assert list(ledger.backups) == made[-BACKUP_LIMIT:]
    assert ids(cluster) == made[-BACKUP_LIMIT:]
    assert all(store.backup(backup_id).id == backup_id for backup_id in ledger.backups)


def test_that_of_the_journal_is_kept_however_old_it_is(home: KubernetesHome, cluster: Cluster) -> None:
    store = home.ledger(WORKFLOW)
    ledger = store.save(Ledger(), "applying", backup=backup_of("first"))
    ledger = msgspec.structs.replace(ledger, journal=journal("first"))
    for n in range(BACKUP_LIMIT + 2):
        ledger = store.save(ledger, "applying", backup=backup_of(f"sync-{n:02}"))
    store.save(ledger, "done")
    assert store.backup("first").id == "first"
    assert len(ids(cluster)) == BACKUP_LIMIT + 1


def test_a_backup_that_is_taken_again_replaces_the_first(home: KubernetesHome, cluster: Cluster) -> None:
    """A rollback that is finished by another run keeps its id; until the ledger has the new one, the old one counts."""
    store = home.ledger(WORKFLOW)
    ledger = store.save(Ledger(), "rolling back", backup=backup_of("rollback-1", seed=1))
    again = store.save(ledger, "rolling back", backup=backup_of("rollback-1", seed=2))
    assert again.backups == ("rollback-1",)
    assert store.backup("rollback-1") == backup_of("rollback-1", seed=2)
    store.save(again, "done")
    assert len(chunks(cluster)) == 1
    assert store.backup("rollback-1") == backup_of("rollback-1", seed=2)


def test_what_a_killed_run_left_goes_with_the_next_sync(home: KubernetesHome, cluster: Cluster) -> None:
    """It had written the backup, and not yet the ledger that refers to it."""
    home.ledger(WORKFLOW).save(Ledger(), "synced", backup=backup_of("sync-1"))
    space = StateNamespace(cluster, cluster.namespace)
    owner = space.read(SECRETS, f"sloth-{WORKFLOW}")
    assert owner is not None
    Backups(space, WORKFLOW).write(backup_of("sync-2", size=1_000_000), owner)
    assert ids(cluster) == ["sync-1", "sync-2"]

    store = home.ledger(WORKFLOW)
    ledger = store.load()
    assert ledger.backups == ("sync-1",)
    ledger = store.save(ledger, "applying", backup=backup_of("sync-3"))
    store.save(ledger, "done")
    assert ids(cluster) == ["sync-1", "sync-3"]


def test_what_another_run_is_about_to_refer_to_is_left_alone(home: KubernetesHome, cluster: Cluster) -> None:
    """The chunks of a run that took the lock over are younger than any ledger that this one has seen."""
    late = home.ledger(WORKFLOW)
    ledger = late.save(Ledger(), "applying", backup=backup_of("sync-1"))
    late.load()
    space = StateNamespace(cluster, cluster.namespace)
    owner = space.read(SECRETS, f"sloth-{WORKFLOW}")
    assert owner is not None
    Backups(space, WORKFLOW).write(backup_of("sync-2"), owner)
    late.save(ledger, "done")
    assert ids(cluster) == ["sync-1", "sync-2"]


def test_backups_of_other_workflows_are_left_alone(home: KubernetesHome, cluster: Cluster) -> None:
    for name in ("web-1", "db-2"):
        store = home.ledger(name)
        ledger = store.save(Ledger(), "applying", backup=backup_of("sync-1"))
        store.load()
        store.save(ledger, "done")
    assert [item["metadata"]["labels"]["sloth-ci/workflow"] for item in chunks(cluster)] == ["db-2", "web-1"]


def test_an_unknown_backup_names_those_there_are(home: KubernetesHome) -> None:
    store = home.ledger(WORKFLOW)
    store.load()
    with pytest.raises(UsageError, match="there is no backup 'sync-7'") as told:
        store.backup("sync-7")
    assert told.value.hint == "backups: none"
    ledger = store.save(Ledger(), "applying", backup=backup_of("sync-1"))
    store.save(ledger, "applying", backup=backup_of("sync-2"))
    with pytest.raises(UsageError) as told:
        store.backup("sync-7")
    assert told.value.hint == "backups: sync-1, sync-2"


def test_one_that_lost_a_chunk_is_refused(home: KubernetesHome, cluster: Cluster) -> None:
    store = home.ledger(WORKFLOW)
    store.save(Ledger(), "applying", backup=backup_of("sync-1", size=2_000_000))
    second = chunks(cluster)[1]["metadata"]["name"]
    cluster.client.call("DELETE", f"/api/v1/namespaces/{cluster.namespace}/secrets/{second}")
    with pytest.raises(UnreachableError, match=f"'sync-1'.* 1 of 3 chunks are missing: {second}") as told:
        store.backup("sync-1")
    assert PRIVATE not in f"{told.value.message} {told.value.hint}"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"chunk": b64encode(PRIVATE.encode()).decode()}, "its checksum is wrong"),
        ({PRIVATE: b64encode(PRIVATE.encode()).decode()}, "'chunk' is not in it"),
    ],
)
def test_one_that_was_changed_is_refused(
    home: KubernetesHome, cluster: Cluster, data: dict[str, str], reason: str
) -> None:
    store = home.ledger(WORKFLOW)
    store.save(Ledger(), "applying", backup=backup_of("sync-1"))
    chunk = chunks(cluster)[0]
    path = f"/api/v1/namespaces/{cluster.namespace}/secrets"
    cluster.client.call("DELETE", f"{path}/{chunk['metadata']['name']}")  # an immutable one can only be made anew
    metadata = {key: chunk["metadata"][key] for key in ("name", "labels", "annotations")}
    cluster.client.json("POST", path, body={"metadata": metadata, "type": "sloth-ci/backup", "data": data})
    with pytest.raises(UnreachableError, match=f"'sync-1'.* cannot be read: {reason}") as told:
        store.backup("sync-1")
    assert PRIVATE not in f"{told.value.message} {told.value.hint}"


def test_a_chunk_in_the_way_is_not_taken_for_ours(home: KubernetesHome, cluster: Cluster) -> None:
    """Names say what is in a chunk, but anybody may give a name."""
    probe = home.ledger("probe-1")
    probe.save(Ledger(), "applying", backup=backup_of("sync-1"))
    name = chunks(cluster)[0]["metadata"]["name"].replace("probe-1", WORKFLOW)
    path = f"/api/v1/namespaces/{cluster.namespace}/secrets"
    cluster.client.json("POST", path, body={"metadata": {"name": name}, "stringData": {"chunk": PRIVATE}})
    with pytest.raises(UnreachableError, match=f"{name}.* is there already"):
        home.ledger(WORKFLOW).save(Ledger(), "applying", backup=backup_of("sync-1"))


def test_they_go_with_the_ledger(home: KubernetesHome, cluster: Cluster) -> None:
    home.ledger(WORKFLOW).save(Ledger(), "applying", backup=backup_of("sync-1", size=1_000_000))
    assert chunks(cluster)
    cluster.client.call("DELETE", f"/api/v1/namespaces/{cluster.namespace}/secrets/sloth-{WORKFLOW}")
    until(lambda: not chunks(cluster), what="the garbage collector")


def test_listing_leaves_the_contents_on_the_server(home: KubernetesHome, cluster: Cluster) -> None:
    home.ledger(WORKFLOW).save(Ledger(), "applying", backup=backup_of("sync-1", size=1_000_000))
    found = StateNamespace(cluster, cluster.namespace).listed(SECRETS, labels="sloth-ci/workflow")
    assert len(found) == 3
    assert len(msgspec.json.encode(found)) < 20_000
