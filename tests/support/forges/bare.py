"""The Git side of a repository of the fake forge: a real bare repository, and what the forge itself does in it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from support.forges.clock import iso
from support.forges.diffs import FileChange, read_changes

T = TypeVar("T")

ZERO: Final = "0" * 40


class Signature(NamedTuple):
    """Who, and when (seconds since the epoch)."""

    name: str
    email: str
    at: float

    def environment(self, role: str) -> dict[str, str]:
        """As Git's variables for an AUTHOR or a COMMITTER."""
        return {
            f"GIT_{role}_NAME": self.name,
            f"GIT_{role}_EMAIL": self.email,
            f"GIT_{role}_DATE": f"{int(self.at)} +0000",
        }


class CommitInfo(NamedTuple):
    """What a commit says."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: tuple[str, str, str]
    """Name, address, ISO time."""
    committer: tuple[str, str, str]
    message: str


class Conflict(Exception):
    """Two branches cannot be merged without a person."""


class Bare:
    """A bare repository in a folder. A forge says who commits what it makes itself, and what guards its branches."""

    web: ClassVar[tuple[str, str]]
    """Name and address of who commits what is made on the web and through the API."""
    hook: ClassVar[str]
    """The script that is run before a push is taken; it reads what `protect` wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: set[str] = set()
        """The objects that did not come through a push."""
        self._read: dict[tuple[str, ...], Any] = {}

    def install(self) -> None:
        """Make the repository if there is none, and the hook that guards protected branches."""
        if not (self.path / "HEAD").is_file():
            self.path.mkdir(parents=True, exist_ok=True)
            self.git("init", "--quiet", "--bare", "--initial-branch=main")
        # Forges hand out single commits by their id, and the heads of pull requests.
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")
        self.git("config", "uploadpack.allowFilter", "true")
        # Of pushed objects each is to be found on its own.
        self.git("config", "receive.unpackLimit", "100000")
        hook = self.path / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(self.hook)
        hook.chmod(0o755)

    def protect(self, rules: Mapping[str, tuple[str, Sequence[str]]]) -> None:
        """Set the protected branches: for each the kind of rule, and who may push in spite of it."""
        lines = [f"refs/heads/{branch} {kind} {','.join(people)}\n" for branch, (kind, people) in rules.items()]
        (self.path / "sloth-protected").write_text("".join(lines))

    def git(self, *args: str, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> str:
        """Run Git and return what it prints, without white space at the end. Raises AssertionError with Git's words."""
        done = self._run(args, env or {}, stdin)
        if done.returncode:
            raise AssertionError(f"git {' '.join(args)} exited with {done.returncode}: {done.stderr.decode().strip()}")
        return done.stdout.decode(errors="surrogateescape").rstrip()

    def _run(self, args: Sequence[str], env: Mapping[str, str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory"}
        environment |= {"GIT_CONFIG_VALUE_0": "*", **env}
        return subprocess.run(
            ["git", f"--git-dir={self.path}", *args], input=stdin, env=environment, capture_output=True, check=False
        )

    # --- reading

    def resolve(self, revision: str) -> str | None:
        """The commit that a branch, a tag or an id means; None where there is none."""
        whole = len(revision) == 40 or revision.startswith("refs/")
        for name in (revision,) if whole else (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            done = self._run(("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"), {}, b"")
            if not done.returncode:
                return done.stdout.decode().strip()
        return None

    def branches(self) -> dict[str, str]:
        """The head of each branch."""
        return {name.removeprefix("refs/heads/"): sha for name, sha in self.refs("refs/heads/").items()}

    def refs(self, prefix: str) -> dict[str, str]:
        """The refs below a prefix, and what each points to."""
        lines = self.git("for-each-ref", "--format=%(objectname) %(refname)", prefix or "refs/").splitlines()
        pairs = (line.split(" ", 1) for line in lines)
        return {name: sha for sha, name in pairs}

    def file(self, revision: str, path: str) -> bytes | None:
        """What a file holds; None where there is none."""
        done = self._run(("cat-file", "blob", f"{revision}:{path}"), {}, b"")
        return None if done.returncode else done.stdout

    def folder(self, revision: str, path: str) -> dict[str, tuple[str, str, int]]:
        """What is in a folder: by its path the kind (`blob`, `tree`), the id and the size. Nothing where there is none."""
        done = self._run(("ls-tree", "-z", "--long", revision, f"{path}/" if path else "."), {}, b"")
        found: dict[str, tuple[str, str, int]] = {}
        for line in filter(None, done.stdout.decode().split("\0")):
            about, _, name = line.partition("\t")
            _, kind, sha, size = about.split()
            found[name] = (kind, sha, int(size) if size.isdigit() else 0)
        return found

    def blob_id(self, revision: str, path: str) -> str:
        """The id of a file's content."""
        return self.git("rev-parse", f"{revision}:{path}")

    def info(self, sha: str) -> CommitInfo:
        """What a commit says."""
        return self._once(("info", sha), lambda: self._info(sha))

    def _info(self, sha: str) -> CommitInfo:
        text = self.git("show", "-s", "--format=%H%n%T%n%P%n%an%n%ae%n%at%n%cn%n%ce%n%ct%n%B", sha)
        lines = text.split("\n")
        author, committer = lines[3:6], lines[6:9]
        return CommitInfo(
            lines[0],
            lines[1],
            tuple(lines[2].split()),
            (author[0], author[1], iso(float(author[2]))),
            (committer[0], committer[1], iso(float(committer[2]))),
            "\n".join(lines[9:]).rstrip("\n"),
        )

    def commits(self, base: str, head: str) -> list[str]:
        """Those that `head` has and `base` has not, the oldest first."""
        command = ("rev-list", "--reverse", "--topo-order", head, f"^{base}")
        return list(self._once(("commits", base, head), lambda: self.git(*command).splitlines()))

    def merge_base(self, one: str, other: str) -> str | None:
        """Where two lines of history part."""
        return self._once(("base", one, other), lambda: self._merge_base(one, other))

    def _merge_base(self, one: str, other: str) -> str | None:
        done = self._run(("merge-base", one, other), {}, b"")
        return None if done.returncode else done.stdout.decode().strip()

    def contains(self, descendant: str, ancestor: str) -> bool:
        """Whether a commit is in the history of another."""
        return not self._run(("merge-base", "--is-ancestor", ancestor, descendant), {}, b"").returncode

    def changes(self, base: str, head: str) -> list[FileChange]:
        """The files in which two commits differ."""
        command = ("diff-tree", "-r", "-M", "--no-abbrev")
        return self._once(
            ("changes", base, head),
            lambda: read_changes(
                self.git(*command, "-z", "--raw", base, head), self.git(*command, "-p", "--no-color", base, head)
            ),
        )

    def _once(self, key: tuple[str, ...], read: Callable[[], T]) -> T:
        """What follows from the ids of commits alone never changes: it is read once."""
        if not all(len(sha) == 40 for sha in key[1:]):
            return read()
        if key not in self._read:
            self._read[key] = read()
        found: T = self._read[key]
        return found

    def last_commit(self, revision: str, path: str) -> str:
        """The commit that changed a file last."""
        return self.git("rev-list", "-1", revision, "--", path)

    # --- writing

    def set_ref(self, name: str, sha: str | None, *, expected: str | None = None) -> bool:
        """Move a ref (None deletes it). Returns False where it is not at `expected`."""
        args = ["update-ref", "-d", name] if sha is None else ["update-ref", name, sha]
        if expected is not None:
            args.append(expected)
        return not self._run(args, {}, b"").returncode

    def merge_tree(self, base: str, head: str) -> str:
        """The tree of a merge. Raises Conflict."""
        done = self._run(("merge-tree", "--write-tree", base, head), {}, b"")
        if done.returncode == 1:
            raise Conflict(done.stdout.decode(errors="replace"))
        assert not done.returncode, done.stderr.decode()
        return done.stdout.decode().split("\n")[0].strip()

    def undo(self, head: str, sha: str) -> str:
        """The tree of `head` without what a commit changed against its first parent. Raises Conflict."""
        # The change back from the commit, and that from the commit to the head: both are made to begin at the commit.
        who = Signature(*self.web, 1_000_000_000)
        back, there = (
            self.commit_tree(self.info(one).tree, [sha], "undo", who) for one in (self.info(sha).parents[0], head)
        )
        return self.merge_tree(there, back)

    def commit_tree(
        self, tree: str, parents: Sequence[str], message: str, author: Signature, committer: Signature | None = None
    ) -> str:
        """A commit of a tree; no branch moves."""
        committer = committer or Signature(*self.web, author.at)
        env = {**author.environment("AUTHOR"), **committer.environment("COMMITTER")}
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self.git("commit-tree", tree, *flags, "-F", "-", env=env, stdin=message.encode())

    def changed_tree(self, revision: str, files: Mapping[str, bytes | None]) -> str:
        """The tree of a commit with some files written (or, where None, deleted)."""
        with tempfile.TemporaryDirectory() as folder:
            env = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
            self.git("read-tree", revision, env=env)
            for path, content in files.items():
                if content is None:
                    self.git("update-index", "--index-info", env=env, stdin=f"0 {ZERO}\t{path}\n".encode())
                    continue
                blob = self.git("hash-object", "-w", "--stdin", stdin=content)
                # Through the API a file loses its executable bit.
                self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=env)
            return self.git("write-tree", env=env)

    def rebase(self, base: str, commits: Sequence[str], at: float) -> str:
        """The commits anew on top of `base`. Raises Conflict."""
        head = base
        for sha in commits:
            info = self.info(sha)
            with tempfile.TemporaryDirectory() as folder:
                env = {"GIT_INDEX_FILE": str(Path(folder, "index")), "GIT_WORK_TREE": folder}
                self.git("read-tree", head, env=env)
                patch = self._run(("diff-tree", "-p", "--binary", "--full-index", f"{sha}^", sha), {}, b"").stdout
                done = self._run(("apply", "--cached", "--3way", "--allow-empty"), env, patch)
                if done.returncode:
                    raise Conflict(done.stderr.decode(errors="replace"))
                tree = self.git("write-tree", env=env)
            env = {"GIT_AUTHOR_NAME": info.author[0], "GIT_AUTHOR_EMAIL": info.author[1]}
            env |= {"GIT_AUTHOR_DATE": info.author[2], **Signature(*self.web, at).environment("COMMITTER")}
            head = self.git("commit-tree", tree, "-p", head, "-F", "-", env=env, stdin=info.message.encode())
        return head

    # --- what came in

    def objects(self) -> set[str]:
        """The ids of all objects."""
        lines = self.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)").splitlines()
        return {line for line in lines if not line.endswith(" tree")}

    def text_of(self, objects: set[str]) -> list[str]:
        """What objects hold, as text."""
        return [
            self._run(("cat-file", kind, sha), {}, b"").stdout.decode(errors="replace")
            for sha, kind in sorted(line.split(" ") for line in objects)
        ]
