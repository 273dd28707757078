"""kubectl is the judge: what it reads is what we read, and what it refuses we refuse."""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sloth_ci.core.objects import canonical
from sloth_ci.core.yaml import YamlError, dump, flatten, parse
from support.kubectl_judge import Judge
from support.yaml_cases import (
    HEAD,
    READ,
    READ_FILES,
    REFUSED,
    REFUSED_FILES,
    STRICTER,
    STRICTER_FILES,
)


def typed(name: str) -> tuple[str, ...]:
    """The lines of a file of cases, without comments."""
    text = (Path(__file__).parent / "yaml_cases" / name).read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if not line.startswith("# "))


SCALARS = typed("scalars.txt")
KEYS = typed("keys.txt")


@pytest.fixture(scope="module")
def judge(kubectl: Path) -> Judge:
    return Judge(kubectl)


def ours(text: bytes) -> list[Any]:
    return [item.value for document in parse(text) for item in flatten(document)]


def assert_same_items(judge: Judge, texts: tuple[str, ...]) -> None:
    """Read texts as items of one list, and compare them as JSON: to Python, `1`, `1.0` and `True` are equal."""
    text = (HEAD + "data:\n" + "".join(f"- {text}\n" for text in texts)).encode()
    (theirs,) = judge.read_all([text])
    (mine,) = ours(text)
    assert len(mine["data"]) == len(texts)
    assert {text: canonical(value) for text, value in zip(texts, mine["data"], strict=True)} == {
        text: canonical(value) for text, value in zip(texts, theirs["data"], strict=True)
    }


def test_scalars_mean_the_same(judge: Judge) -> None:
    assert_same_items(judge, SCALARS)


def test_scalars_in_brackets_mean_the_same(judge: Judge) -> None:
    assert_agreement(judge, [f"{HEAD}data: [{text} ]\n".encode() for text in SCALARS])


def test_keys_mean_the_same(judge: Judge) -> None:
    assert_same_items(judge, tuple(f"{{{key} : x}}" for key in KEYS))


@pytest.mark.parametrize("body", READ.values(), ids=READ.keys())
def test_structures_mean_the_same(judge: Judge, body: str) -> None:
    text = (HEAD + body).encode()
    assert canonical(ours(text)) == canonical(judge.read_all([text]))


@pytest.mark.parametrize("text", READ_FILES.values(), ids=READ_FILES.keys())
def test_files_mean_the_same(judge: Judge, text: str) -> None:
    assert canonical(ours(text.encode())) == canonical(judge.read_all([text.encode()]))


def test_utf16_with_its_mark_means_the_same(judge: Judge) -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        text = f"\ufeff{HEAD}a: é😀\n".encode(encoding)
        assert canonical(ours(text)) == canonical(judge.read_all([text]))


@pytest.mark.parametrize(("text", "reason"), [*((HEAD + k, v) for k, v in REFUSED.items()), *REFUSED_FILES.items()])
def test_what_kubectl_refuses_is_refused(judge: Judge, text: str, reason: str) -> None:
    assert judge.read(text.encode()) is None
    with pytest.raises(YamlError) as refused:
        ours(text.encode())
    assert reason in refused.value.message


@pytest.mark.parametrize(
    ("text", "reason"), [*(((HEAD + k).encode(), v) for k, v in STRICTER.items()), *STRICTER_FILES.items()]
)
def test_what_only_we_refuse(judge: Judge, text: bytes, reason: str) -> None:
    assert judge.read(text) is not None
    with pytest.raises(YamlError) as refused:
        ours(text)
    assert reason in refused.value.message


# What a person might type, and what makes the meaning of a line change: short words, indicators, white space.
PIECES = [
    *[
        "a",
        "b",
        "1",
        "0x1",
        "1e3",
        "yes",
        "null",
        "~",
        "=",
        "<<",
        "x:y",
        "x#y",
        "http://a/b",
        "'q'",
        '"d"',
        "é",
        "\\",
        "%",
        "@",
    ],
    *[
        ": ",
        ":",
        "- ",
        "-",
        ", ",
        ",",
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "|",
        ">",
        "|-",
        ">+",
        "|2",
        "#",
        " # ",
        "? ",
        "?",
        "`",
    ],
    *["&a ", "*a ", "*a", "!!str ", "!x ", "<<: ", "\n", "\n", "\n  ", "\n    ", "\n- ", "\n  - ", "\t", " ", "\r\n"],
    *["a: b\n", "c: d\n", "- e\n", "a:\n  b: c\n", "a: |\n  x\n", "{a: b}", "[a, b]", '"a": "b"\n', "&a x\n", "...\n"],
]
fragments = st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join)
ON_PURPOSE = ("is there twice", "a ':' right before", "a tag (!) that is none")


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(fragments, min_size=30, max_size=60))
def test_any_text_means_the_same(judge: Judge, bodies: list[str]) -> None:
    texts = [HEAD + "data:\n" + textwrap.indent(body, "  ", lambda line: True) for body in bodies]
    assert_agreement(judge, [text.encode() for text in texts], most_refused=3)


def assert_agreement(judge: Judge, texts: Iterable[bytes], most_refused: int | None = None) -> None:
    """All that we read kubectl reads alike (asked once); what we refuse, it refuses (asked one by one)."""
    read, objects, refused = [], [], []
    for text in texts:
        try:
            found = ours(text)
        except YamlError as error:
            if not any(word in error.message for word in ON_PURPOSE):
                refused.append(text)
        else:
            if all(item.get("kind") for item in found):
                read.append(text)
                objects += found
            else:
                refused.append(text)
    theirs = judge.read_all(read)
    assert len(theirs) == len(objects)
    assert [mine for mine, other in zip(objects, theirs, strict=True) if canonical(mine) != canonical(other)] == []
    assert [text for text in refused[:most_refused] if judge.read(text) is not None] == []


words = st.one_of(
    st.text(),
    st.text(alphabet=" \n\t-:#'\"|>ab{}[]?*&!%@`=~019.eExXoO_+\\/,<\r\x85\u2028\ufeff\u00a0\uffff😀"),
    st.sampled_from(SCALARS),
    st.sampled_from(["---", "...", "--", "1.0e+5", "1:30", "---\na", "\na", "a\n", "\n\n", "a\n\n", " a\n", "a\n \n"]),
)
numbers = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()
)
values = st.recursive(
    st.one_of(words, numbers),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(values, min_size=20, max_size=40))
def test_kubectl_reads_back_what_is_written(judge: Judge, data: list[Any]) -> None:
    texts = [dump({"kind": "Case", "apiVersion": "v1", "data": value}).encode() for value in data]
    theirs = judge.read_all(texts)
    mine = [item for text in texts for item in ours(text)]
    assert canonical(mine) == canonical(theirs)


@pytest.mark.parametrize("bundle", ["kube-prometheus", "microservices-demo"])
def test_every_file_of_real_repositories_means_the_same(
    judge: Judge, bundles: Path, bundle: str, tmp_path: Path
) -> None:
    texts = blobs(bundles / f"{bundle}.bundle", tmp_path)
    assert len(texts) > 200
    assert_agreement(judge, texts)


def blobs(bundle: Path, folder: Path) -> list[bytes]:
    """Every YAML or JSON file of every revision."""

    def git(*args: str, text: bytes = b"") -> bytes:
        return subprocess.run(["git", "-C", folder, *args], input=text, capture_output=True, check=True).stdout

    git("clone", "--quiet", "--bare", str(bundle), ".")
    names = dict(line.split(b" ", 1) for line in git("rev-list", "--objects", "--all").splitlines() if b" " in line)
    wanted = [sha for sha, path in names.items() if path.endswith((b".yaml", b".yml", b".json"))]
    output = git("cat-file", "--batch", text=b"\n".join(wanted))
    texts, position = [], 0
    for _ in wanted:
        end = output.index(b"\n", position)
        size = int(output[position:end].rsplit(b" ", 1)[1])
        texts.append(output[end + 1 : end + 1 + size])
        position = end + 2 + size
    return texts
