"""What parsing tells besides the values: lines, lists, and every problem of a file without a word of its content."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth_ci.core.errors import RenderError
from sloth_ci.core.yaml import Document, YamlError, YamlProblem, dump, flatten, parse


def objects(text: str | bytes) -> list[Document]:
    data = text.encode() if isinstance(text, str) else text
    return [item for document in parse(data) for item in flatten(document)]


def problems(text: str | bytes) -> Sequence[tuple[int, str]]:
    with pytest.raises(YamlError) as error:
        objects(text)
    return error.value.problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: b", [1]),
        ("# c\n\n  a: b", [3]),
        ("---\na: b\n---\n\nc: d", [2, 5]),
        ("# c\n---\n# c\n---\na: b", [5]),
        ("a: b\r\n---\r\nc: d\r\n", [1, 3]),
        ("\ufeffa: b\n---\nc: d", [1, 3]),
        ("a: b\n--- # c\n{c: d}", [1, 3]),
        ("a: |\n  ---\n  x\n---\nc: d", [1, 5]),
        ('{"a": 1}\n\n{"b":\n 2}{"c": 3}', [1, 3, 4]),
        ('{"a": 1}\n---\nb: c\n---\nd: e', [1, 3, 5]),
        ("{a: b}\n---\n\nc: d", [1, 4]),
        ("kind: List\nitems:\n- a: b\n# c\n-\n  c: d\n- {e: f}", [3, 6, 7]),
        ("---\nkind: List\nitems: [{a: b},\n  {c: d}]\n---\ne: f", [3, 4, 6]),
        ('{"kind": "List",\n"items": [\n{"a": {"items": [1,\n2]}},\n\n{"b": [{}]}\n], "metadata": {}}', [3, 6]),
        ("x: &x\n- a: b\nkind: List\nitems: *x", [1]),
    ],
)
def test_every_object_knows_its_line(text: str, expected: list[int]) -> None:
    assert [item.line for item in objects(text)] == expected


def test_items_of_a_typed_list_get_its_kind() -> None:
    (document,) = parse(b"kind: ConfigMapList\napiVersion: v1\nitems:\n- {metadata: {name: a}}\n- {kind: Secret}\n")
    assert [item.value for item in flatten(document)] == [
        {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}},
        {"kind": "Secret"},
    ]
    assert "kind" not in document.value["items"][0]


def test_items_without_a_kind_above_are_no_list() -> None:
    (document,) = parse(b"items: [1, 2]\n")
    assert flatten(document) == [document]


def test_a_bad_document_hides_no_other() -> None:
    text = 'a: "\\z"\n---\nkind: A\n---\nb: [\n---\nc: 1\nc: 2\nd: .inf\nc: 3\n---\n- *x\n'
    assert problems(text) == [
        (1, "an unknown escape after '\\' in a double-quoted string"),
        (6, "a value is missing, or starts with a character that needs quotes"),
        (8, "the key 'c' is there twice"),
        (9, "JSON has no infinite number and no NaN"),
        (10, "the key 'c' is there twice"),
        (12, "an alias (*) names an anchor (&) that is not there"),
    ]


def test_all_bad_items_of_a_list_are_told() -> None:
    assert problems("kind: List\nitems:\n- a: b\n- 1\n-\n  - c\n") == [
        (4, "expected an object in List, found a number"),
        (6, "expected an object in List, found a list"),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: b\nc:\n\t- d\n", 3),
        ("a: b\n---\nc: 'd\ne: f\n", 3),
        ("a: b\r\n---\r\nc: d\r\n e: f\r\n", 4),
        (b"a: b\nc: \xff\n", 2),
        (b"a: b\nc: \x00\n", 2),
        ("a: b\n---c\nd: e\n", 2),
        ('{"kind": "A"}\n{"kind": "B"}\n{"kind"\n"C"}', 4),
        ('{"a": [\n{"b": 1,\n"b": 2}]}', 3),
        ('{"a": 1}\n---\nb: c\n---\nd: [\n', 6),
        ("  a: b\nc: d\n", 2),
        ("a: b\n...\nc: d\n", 3),
        ("a: b\n\ufeffc: d\n", 2),
        ('a: "don\\\'t"\nb: "\\\'\n\\z"', 3),
    ],
)
def test_problems_know_their_line(text: str | bytes, line: int) -> None:
    assert [at for at, _ in problems(text)] == [line]


def test_a_half_on_either_side_of_a_bad_separator_is_not_judged() -> None:
    text = "a: 'b\n--- c\nd'\n---\ne: f\n"
    assert problems(text) == [(2, "a line that starts with --- separates documents: only a comment may follow")]


def test_the_error_is_one_of_rendering_and_stays_short() -> None:
    text = "".join(f"k{n}: 1\nk{n}: 2\n" for n in range(30))
    with pytest.raises(RenderError) as error:
        parse(text.encode())
    assert isinstance(error.value, YamlError)
    assert len(error.value.problems) == 30
    assert error.value.problems[0] == YamlProblem(2, "the key 'k0' is there twice")
    assert error.value.message.endswith("; and 20 more problems")


def test_a_key_in_a_message_stays_on_its_line() -> None:
    ((_, reason),) = problems('{"a\\n::error::b\\u202e": 1, "a\\n::error::b\\u202e": 2}')
    assert reason == "the key 'a?::error::b?' is there twice"
    ((_, reason),) = problems(f"{'k' * 500}: 1\n{'k' * 500}: 2\n")
    assert len(reason) < 120


SECRET = "hunter2hunter2"
noise = st.text(alphabet=" \n\t:-'\"[]{}|>&*!%@#?,\\<=~0a", max_size=6)


@given(noise, noise, noise)
def test_no_problem_quotes_the_content(before: str, inside: str, after: str) -> None:
    text = f"kind: Secret\nstringData:\n  password: {before}{SECRET}{inside}{SECRET}{after}\nkind: Secret\n"
    try:
        objects(text)
    except YamlError as error:
        # A broken line may make a key of it, and keys are named.
        told = [reason for _, reason in error.problems if not reason.startswith("the key '")]
        assert SECRET not in "".join(told)


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 60))
    ((_, reason),) = problems(f"a0: &a0 [x, x]\n{levels}")
    assert reason == "aliases (*) repeat too much of this document"


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "a: " + "{b: " * 100_000, "- " * 100_000, '{"a":' * 100_000, '{"a":' * 500 + "1" + "}" * 500],
    ids=["brackets", "braces", "dashes", "json", "balanced json"],
)
def test_depth_is_a_problem_and_no_crash(text: str) -> None:
    ((_, reason),) = problems(text)
    assert reason == "maps and lists are nested deeper than 128 levels"


def test_complex_keys_are_a_problem_and_no_crash() -> None:
    ((_, reason),) = problems("? " * 100_000)
    assert reason == "a map or a list cannot be a key"


def test_strings_that_libyaml_cannot_read_do_not_stall_the_reader() -> None:
    many = "".join(f'k{n}: "it\\\'s"\n' for n in range(300))
    (document,) = parse(many.encode())
    assert set(document.value.values()) == {"it's"}
    assert problems("a: x\n" * 0 + "b: " + '"\\\'" ' * 2)[0][0] == 1
    padding = "# padding\n" * 1_500_000
    assert len(problems(padding + "".join(f'k{n}: "it\\\'s"\n' for n in range(50)))) == 1


def test_a_document_that_is_not_an_object_is_left_to_the_caller() -> None:
    assert parse(b"- a\n---\nb\n") == [Document(1, ["a"]), Document(3, "b")]
    assert parse(b"null\n---\n~\n") == []


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values, min_size=1, max_size=4), st.booleans())
def test_json_is_read_as_json(value: dict[str, Any], escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped, indent=1 if escaped else None)
    assert [(document.line, document.value) for document in parse(text.encode())] == [(1, value)]


@given(json_values)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert [document.value for document in parse(dump(value).encode())] == ([] if value is None else [value])
