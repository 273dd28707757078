from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from sloth_ci.core.plan import FieldChange
from sloth_ci.core.yaml import parse
from sloth_ci.report.diff import change_diff, diff_text, field_lines, inline
from sloth_ci.report.values import block, lines_of, scalar
from support.plans import EVIL, body, change, field, huge


def _of(*fields: FieldChange) -> str:
    return change_diff(change("update", "ConfigMap", "x", *fields))


def test_fields_are_headed_by_their_path() -> None:
    assert _of(
        field("spec.replicas", 3, 5), field("metadata.labels.app", UNSET, "web"), field("spec.paused", before=True)
    ) == ("@@ spec.replicas @@\n- 3\n+ 5\n@@ metadata.labels.app @@\n+ web\n@@ spec.paused @@\n- true")


def test_whole_objects_are_yaml() -> None:
    state = body("Service", "web", spec={"ports": [{"port": 80, "name": "http"}], "type": "ClusterIP"})
    made = change_diff(change("create", "Service", "web", state=state))
    assert made == (
        "+ apiVersion: v1\n+ kind: Service\n+ metadata:\n+   name: web\n+   namespace: shop\n"
        "+ spec:\n+   ports:\n+   - port: 80\n+     name: http\n+   type: ClusterIP"
    )
    gone = change_diff(change("delete", "Service", "web", state=state))
    assert gone == "\n".join("-" + line[1:] for line in made.split("\n"))


def test_texts_are_compared_by_line() -> None:
    before = "server {\n  listen 80;\n}\n"
    assert _of(field('data["nginx.conf"]', before, before.replace("80", "81"))) == (
        '@@ data["nginx.conf"] @@\n  server {\n-   listen 80;\n+   listen 81;\n  }'
    )


def test_a_newline_at_the_end_is_no_invisible_difference() -> None:
    shown = _of(field("data.text", "a\nb", "a\nb\n"))
    assert "- (no newline at the end)\n+ (a newline at the end)" in shown


def test_windows_line_ends_are_no_invisible_difference() -> None:
    shown = _of(field("data.text", "a\r\nb\r\n", "a\nb\n"))
    assert "- a\\r\n" in shown
    assert "\r" not in shown


def test_long_strings_show_where_they_differ() -> None:
    before = "x" * 5000 + "OLD" + "y" * 5000
    _, minus, plus = _of(field("data.blob", before, before.replace("OLD", "NEW"))).split("\n")
    assert "OLD" in minus
    assert "NEW" in plus
    assert len(minus) < 120
    assert inline(field("a", before, before.replace("OLD", "NEW")), 30)[0] == "…xxxxxxxxxxOLDyyyyyyyyyy…"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (8080, "8080"), ("8080", '"8080"'), (True, "true"), ("true", '"true"'), (None, "null"), ("null", '"null"'), ("", '""'),
        ("yes", '"yes"'), ("1.25", '"1.25"'), ("1.25.0", "1.25.0"), ("nginx:1.25", "nginx:1.25"), ("a: b", '"a: b"'), ("- a", '"- a"'),
        ("tail ", '"tail "'), ('{"a": 1}', "'{\"a\": 1}'"), ("500m", "500m"), ("0x1F", '"0x1F"'), ("1e3", '"1e3"'), (1.5, "1.5"),
        ({}, "{}"), ([], "[]"), ([1, "a"], "[1, a]"), ({"a": {"b": [None]}}, "{a: {b: [null]}}"), ("a\nb", '"a\\nb"'), ("@x", '"@x"'),
    ],
)  # fmt: skip
def test_scalars_look_like_what_they_are(value: object, shown: str) -> None:
    assert scalar(value) == shown


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text("ab:#- \n'\"{}[]yesnull01.", max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc/.-", min_size=1, max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=4), JSON, min_size=1, max_size=4))
def test_a_block_reads_back_as_its_value(value: dict[str, object]) -> None:
    """Texts of several lines are shown for the eye, so they are left out here: a reader does not need `|2-`."""

    def flat(item: object) -> object:
        if isinstance(item, dict):
            return {key: flat(inner) for key, inner in item.items()}
        if isinstance(item, list):
            return [flat(inner) for inner in item]
        return item.replace("\n", " ") if isinstance(item, str) else item

    value = {key: flat(inner) for key, inner in value.items()}
    assert parse("\n".join(block(value)).encode())[0].value == value


@given(JSON)
def test_lines_are_counted_as_they_are_made(value: object) -> None:
    for _ in range(3):
        assert lines_of(value) == sum(1 for _ in block(value))
        value = {"a": [value, "one\ntwo\n"], "b": value}


@pytest.mark.parametrize("end", ["bottom", "two\nlines", {}, {"a": "two\nlines"}])
def test_lines_of_what_is_too_deep_are_counted_too(end: object) -> None:
    for depth in range(45):
        assert lines_of(end) == sum(1 for _ in block(end))
        end = [end] if depth % 3 else {"k": end, "text": "two\nlines"}


@pytest.mark.parametrize("verb", ["create", "delete"])
def test_what_is_beyond_is_counted_for_whole_objects(verb: Literal["create", "delete"]) -> None:
    one = change(verb, "ConfigMap", "x", state=body("ConfigMap", "x", data={"a": "1\n2\n3\n"}))
    lines = change_diff(one).split("\n")
    assert "more line" not in change_diff(one, len(lines))
    assert change_diff(one, len(lines) - 1).endswith("… 1 more line")
    assert change_diff(one, 2).split("\n")[-1].endswith(f"… {len(lines) - 2} more lines")


def test_deep_values_end() -> None:
    value: object = "bottom"
    for _ in range(5000):
        value = [value]
    assert sum(1 for _ in block(value)) == 1
    assert "…" in scalar(value)


@pytest.mark.parametrize("evil", EVIL)
def test_every_line_is_a_line_of_the_diff(evil: str) -> None:
    lines = list(field_lines(field(evil, evil, f"{evil}\nmore")))
    text = "\n".join(map(diff_text, lines))
    assert len(text.split("\n")) == len(lines)
    assert all(line[:2].rstrip() in {"", "-", "+", "@@"} for line in text.split("\n"))


def test_huge_changes_are_bounded_and_counted() -> None:
    for one in huge().changes:
        text = change_diff(one)
        assert text.count("\n") <= 300
        assert max(map(len, text.split("\n"))) < 500
    crd = next(one for one in huge().changes if one.ref.name == "giants.example.com")
    assert change_diff(crd, max_lines=10).endswith("  … 24,996 more lines")
