"""Lists that are kept up to date: one watch per kind and namespace, each in a thread of its own.

A list first, then a watch from its version on, with bookmarks so that the version stays young. A watch that ends or
is cut goes on from the last version; a version that the server forgot (410) means a new list. A server that does not
answer is asked again for as long as somebody waits.

Source: Kubernetes API concepts, "Efficient detection of changes".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from queue import SimpleQueue
from typing import Final, Literal, NamedTuple

import msgspec

from sloth_ci.core.errors import SlothError, UnreachableError
from sloth_ci.core.objects import Body
from sloth_ci.core.words import clip
from sloth_ci.destinations.kubernetes import client
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.discovery import Resource
from sloth_ci.destinations.kubernetes.faults import ApiFault

_WATCH_SECONDS: Final = 30.0
"""How long one watch may last before the server ends it and the next one goes on: a dead connection is noticed after it."""
_LIST_SECONDS: Final = 30.0
_PAUSES: Final = (0.0, 0.2, 0.5, 1.0)
"""Seconds before the next try, after so many that brought nothing; the last one then stays."""


Kind = Literal["listed", "changed", "gone", "trouble", "back", "refused", "crashed"]


class News(NamedTuple):
    """What a feed has to say."""

    feed: Feed
    kind: Kind
    objects: Mapping[str, Body] = {}
    """By name: all of them for `listed`, one for `changed` and `gone` (as it last was)."""
    error: Exception | None = None
    """`trouble`: the server did not answer, and is asked again until it is `back`. `refused`: it said no, and this feed is
    over. `crashed`: a fault of ours, to be raised by whoever reads this."""


class _Metadata(msgspec.Struct):
    name: str = ""
    version: str = msgspec.field(default="", name="resourceVersion")


class _Meta(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    code: int = 0
    message: str = ""


class _List(msgspec.Struct):
    metadata: _Metadata
    items: list[msgspec.Raw]


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


_read_list = msgspec.json.Decoder(_List).decode
_read_event = msgspec.json.Decoder(_Event).decode
_read_meta = msgspec.json.Decoder(_Meta).decode
_read_body = msgspec.json.Decoder(dict).decode


class Feed:
    """The objects of one kind in one namespace; what happens to them is put into `news`, in order.

    `names` says which ones matter; None for all of them.
    """

    def __init__(
        self,
        cluster: Cluster,
        resource: Resource,
        namespace: str,
        news: SimpleQueue[News],
        names: frozenset[str] | None = None,
    ) -> None:
        self.resource = resource
        self.namespace = namespace
        self._client = cluster.client
        self._path = resource.path(namespace)
        self._news = news
        self._names = names
        # One object: the server sends nothing else, and a right that names it is enough.
        self._query = {"fieldSelector": f"metadata.name={next(iter(names))}"} if names and len(names) == 1 else {}
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._watch: client.Watch | None = None
        self._listed = False
        self._in_trouble = False
        self._fruitless = 0
        self._thread = threading.Thread(target=self._run, name=f"watch {resource.plural} {namespace}", daemon=True)

    def start(self) -> None:
        """Begin. Everything is told through the queue, failures too."""
        self._thread.start()

    def end(self) -> None:
        """Tell the thread to end; `join` waits for it."""
        with self._lock:
            self._ended.set()
            watch = self._watch
        if watch:
            watch.close()

    def join(self, seconds: float) -> None:
        """Wait for the end, but no longer: where a server hangs, the thread ends when its request times out."""
        self._thread.join(seconds)

    # --- in the thread ---

    def _run(self) -> None:
        try:
            self._keep_up()
        except Exception as error:  # noqa: BLE001 (it is raised where it is read: nobody sees what a thread raises)
            self._tell("crashed", error=error)

    def _keep_up(self) -> None:
        version: str | None = None
        while not self._ended.is_set():
            asked_for = 0.0
            try:
                if version is None:
                    version = self._list()
                version = self._follow(version)
            except ApiFault as fault:
                if fault.code == 410:
                    version = None
                elif fault.code in {401, 403} and not self._listed:
                    # Later, it is a server that has just started and does not know its own rules yet.
                    self._tell("refused", error=fault)
                    return
                else:
                    asked_for = fault.retry_after or 0.0
                    self._complain(fault)
            except UnreachableError as error:
                self._complain(error)
            except msgspec.DecodeError:
                version = None
                self._complain(UnreachableError("it answers, but not as an API server does"))
            pause = _PAUSES[min(self._fruitless, len(_PAUSES) - 1)]
            self._fruitless += 1
            self._ended.wait(max(pause, asked_for))

    def _list(self) -> str:
        answer = _read_list(
            self._client.call("GET", self._path, query=self._query, timeout=_LIST_SECONDS, patient=False)
        )
        objects: dict[str, Body] = {}
        for raw in answer.items:
            name = _read_meta(raw).metadata.name
            if self._names is None or name in self._names:
                objects[name] = self._body(raw)
        self._listed = True
        self._tell("listed", objects)
        return answer.metadata.version

    def _follow(self, version: str) -> str | None:
        """Watch until the watch ends. Returns the version to go on from; None where a new list is needed."""
        query = {**self._query, "resourceVersion": version, "allowWatchBookmarks": "true"}
        began = time.monotonic()
        watch = self._client.watch(self._path, query, timeout=_WATCH_SECONDS)
        with self._lock:
            self._watch = watch
            ended = self._ended.is_set()
        if self._in_trouble:
            self._in_trouble = False
            self._tell("back")
        with watch:
            for line in () if ended else watch:
                event = _read_event(line)
                meta = _read_meta(event.object)
                if event.type == "ERROR":
                    if meta.code != 410:
                        self._complain(UnreachableError(f"it ended a watch: {clip(meta.message, 300)}"))
                    return None
                self._fruitless = 0
                version = meta.metadata.version or version
                name = meta.metadata.name
                if event.type != "BOOKMARK" and (self._names is None or name in self._names):
                    self._tell("gone" if event.type == "DELETED" else "changed", {name: self._body(event.object)})
        if time.monotonic() - began > 1:
            self._fruitless = 0
        return version

    def _complain(self, error: SlothError) -> None:
        self._in_trouble = True
        self._tell("trouble", error=error)

    def _body(self, raw: msgspec.Raw) -> Body:
        body: Body = _read_body(raw)
        # Items of a list do not say what they are.
        resource = self.resource
        body["apiVersion"] = resource.api_version
        body["kind"] = resource.kind
        body["metadata"].pop("managedFields", None)
        return body

    def _tell(self, kind: Kind, objects: Mapping[str, Body] | None = None, error: Exception | None = None) -> None:
        self._news.put(News(self, kind, objects or {}, error))
