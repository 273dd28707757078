"""Our template for GitLab CI: what GitLab makes of it, and what has to hold of it.

`.gitlab-ci-template.yml` is the source; the CI/CD component has the same text, in the place where GitLab looks for components.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

TEMPLATE: Final = ".gitlab-ci-template.yml"
COMPONENT: Final = "templates/gitops/template.yml"
_USED: Final = re.compile(r"\$\[\[\s*inputs\.([\w-]+)\s*\]\]")
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {"string": str, "number": (int, float), "boolean": bool}
_UNTOLD: Final = ("description", "default")


def header(text: str) -> dict[str, Any]:
    """The `spec:` of a template. Raises ValueError where it has no such document before its jobs."""
    first, *rest = yaml.safe_load_all(text)
    if not isinstance(first, dict) or list(first) != ["spec"] or len(rest) != 1:
        raise ValueError("a template is a `spec:`, `---`, and its jobs")
    spec: dict[str, Any] = first["spec"]
    return spec


def interpolated(text: str, given: Mapping[str, object] | None = None) -> dict[str, Any]:
    """The jobs of a template with its inputs put in. Raises KeyError for an input that it does not have.

    They are put in as text, and the result is read as YAML (GitLab, lib/gitlab/ci/config/interpolation/text_template.rb).
    """
    inputs = {**{name: about["default"] for name, about in header(text)["inputs"].items()}, **(given or {})}
    made: dict[str, Any] = yaml.safe_load(_USED.sub(lambda found: _text(inputs[found[1]]), _body(text)))
    return made


def jobs(text: str) -> dict[str, str]:
    """What each job is for, by its name after the prefix: the first paragraph of the comment above the hidden one."""
    found = re.findall(r"((?:^#.*\n)+)^\.\$\[\[ inputs\.job-prefix \]\]:(\w+):$", text, re.MULTILINE)
    return {name: " ".join(line[2:] for line in comment.split("#\n")[0].splitlines()) for comment, name in found}


def problems(template: str, component: str) -> list[str]:
    """What does not hold of it, in words."""
    found = []
    if component != template:
        found.append(f"{COMPONENT} has another text: make docs")
    body = _body(template)
    inputs = header(template)["inputs"]
    used = set(_USED.findall(body))
    found += [f"input {name} is used and not declared" for name in sorted(used - set(inputs))]
    found += [f"input {name} is declared and not used" for name in sorted(set(inputs) - used)]
    if len(_USED.findall(body)) != body.count("$[["):
        found.append("there is a `$[[` that names no input")
    for name, about in inputs.items():
        found += [f"input {name}: {problem}" for problem in _of_input(about)]
    return found


def _of_input(about: Mapping[str, Any]) -> list[str]:
    missing = [key for key in _UNTOLD if key not in about]
    if missing:
        return [f"it has no {key}" for key in missing]
    found = []
    kind, default = about.get("type", "string"), about["default"]
    if not isinstance(default, _TYPES[kind]):
        found.append(f"its default {default!r} is no {kind}")
    if "options" in about and default not in about["options"]:
        found.append(f"its default {default!r} is no option")
    # As text it goes into YAML: whoever includes the template may write no YAML by way of an input.
    if kind == "string" and "options" not in about and "regex" not in about:
        found.append("it takes any text: give it a regex or options")
    if "regex" in about and not re.search(about["regex"], str(default)):
        found.append(f"its default {default!r} does not match its regex")
    if "regex" in about and re.search(about["regex"], 'a"'):
        found.append("its regex lets a quote through")
    return found


def _body(text: str) -> str:
    return re.split(r"^---\n", text, maxsplit=1, flags=re.MULTILINE)[1]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
