"""Write the documents that are made from the code.

    python scripts/docs.py             write them
    python scripts/docs.py --check     exit with 1 if one is not current

docs/cli.md comes from the command line's own help, the figures in README.md and bench/README.md from
bench/results.json, docs/scoreboard.md from bench/scoreboard.json, the tables in docs/github.md from action.yml, and those in docs/gitlab.md from the template. The CI/CD
component for GitLab has the text of .gitlab-ci-template.yml: a link to it would be none for GitLab. In docs/lua.md, what stands between `<!-- keys: NAME -->` and `<!-- /keys -->` comes from the struct of that name in
core/workflow.py and the docstrings of its fields.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import click
import msgspec
import yaml

import gitlab_template
from sloth_ci.ci.inputs import gitlab_variable
from sloth_ci.cli import cli
from sloth_ci.core import workflow

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "bench"))

from scoreboard import table as scoreboard_table  # noqa: E402 (its folder is known only now)

WIDTH: Final = 100


def cli_reference() -> str:
    """The help of every command, in the order of the command line itself."""
    parts = ["# Command line", "<!-- Made by `make docs` from the help of each command; change it there. -->"]
    settings = {**cli.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    top = click.Context(cli, info_name="sloth-ci", **settings)
    for context in _commands(top):
        parts += [f"## `{context.command_path}`", f"```text\n{context.get_help().rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _commands(context: click.Context) -> Iterator[click.Context]:
    yield context
    group = context.command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if command and not command.hidden:
                yield from _commands(click.Context(command, parent=context, info_name=name))


_KEYS: Final = re.compile(r"(<!-- keys: (\w+) -->\n).*?(<!-- /keys -->)", re.DOTALL)
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def lua_reference() -> str:
    """docs/lua.md as it is, with its tables of keys made anew."""
    text = (ROOT / "docs/lua.md").read_text(encoding="utf-8")
    return _KEYS.sub(lambda found: f"{found[1]}\n{_keys(getattr(workflow, found[2]))}\n{found[3]}", text)


def _keys(struct: type[msgspec.Struct]) -> str:
    """One row a field: its name, type, default and docstring."""
    told = {name: text.replace("None", "nil") for name, text in _docstrings(struct).items()}
    lines = ["| key | type | default | |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(struct):
        if not told.get(field.name):
            sys.exit(f"{struct.__name__}.{field.name} has no docstring")
        cells = (f"`{field.encode_name}`", _type(field.type), _default(field), told[field.name])
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _docstrings(struct: type) -> dict[str, str]:
    """The strings below the fields of a class."""
    body = ast.parse(inspect.getsource(struct)).body[0]
    assert isinstance(body, ast.ClassDef)
    told: dict[str, str] = {}
    for above, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(above, ast.AnnAssign) and isinstance(above.target, ast.Name) and isinstance(below, ast.Expr):
            told[above.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return told


def _type(kind: Any) -> str:
    """The type in the words of Lua."""
    if isinstance(kind, UnionType) or str(get_origin(kind)) == "typing.Union":
        return " or ".join(_type(option) for option in get_args(kind) if option is not type(None))
    if get_origin(kind) is Annotated:
        return _type(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return ", ".join(f"`{json.dumps(value)}`" for value in get_args(kind))
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        if isinstance(item, type) and issubclass(item, msgspec.Struct):
            return "list of tables"
        return f"list of {'strings' if item is str else 'commands and functions'}"
    if get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return "table"
    words = {str: "string", bool: "boolean", int: "integer", float: "number", workflow.Duration: "duration"}
    return words.get(kind, "function")


def _default(field: Any) -> str:
    if field.required:
        return "required"
    if (field.name, field.default) == ("name", "default"):
        return ""  # gitops.workflow has a better one
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if value is None or isinstance(value, msgspec.Struct):
        return ""
    if isinstance(value, workflow.Duration):
        size, unit = next((size, unit) for size, unit in _UNITS if value % size == 0)
        return f'`"{value / size:g}{unit}"`'
    return "`{}`" if value in ([], {}) else f"`{json.dumps(value)}`"


_IN_README: Final = (
    "plan-unchanged-1000", "plan-unchanged-5000", "plan-unchanged-1000-rtt20", "plan-1pct-1000", "plan-1pct-5000",
    "apply-new-1000", "apply-new-1000-rtt20", "memory-unchanged-5000", "image-start", "job-200",
    "pre-push-1000", "pre-push-kustomize-20", "preview-500", "preview-5000-against-500", "preview-kube-prometheus-cold", "startup",
)  # fmt: skip
"""The figures that say what kind of tool this is; bench/README.md has all of them."""
_FILES: Final = re.compile(r"(<!-- file: (\S+) -->\n).*?(<!-- /file -->)", re.DOTALL)
_FIGURES: Final = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->)", re.DOTALL)


def readme() -> str:
    """README.md as it is, with its files and its table of figures made anew: some of them, each against its first rival."""
    chosen = [row for row in _measured() if row["name"] in _IN_README]
    return _FILES.sub(_file, _with_figures("README.md", chosen))


def _file(found: re.Match[str]) -> str:
    """A file of the repository as a block, so that what people copy is what the tests run."""
    content = (ROOT / found[2]).read_text(encoding="utf-8").rstrip("\n")
    return f"{found[1]}```yaml\n{content}\n```\n{found[3]}"


def all_figures() -> str:
    """bench/README.md as it is, with its table of all figures made anew."""
    return _with_figures("bench/README.md", _measured())


def _measured() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((ROOT / "bench/results.json").read_text(encoding="utf-8"))
    return rows


def _with_figures(document: str, rows: list[dict[str, Any]]) -> str:
    lines = ["| what | sloth-ci | the rival | runs |", "|---|--:|--:|--:|"]
    lines += [
        f"| `{row['name']}`: {row['note']} "
        f"| {row['ours_value']:g} {row['unit']} | {row['rival_value']:g} {row['unit']} ({row['rival']}) | {row['runs']} |"
        for row in rows
    ]
    table = "\n".join(lines)
    return _FIGURES.sub(lambda found: f"{found[1]}{table}\n{found[2]}", (ROOT / document).read_text(encoding="utf-8"))


def scoreboard() -> str:
    """docs/scoreboard.md, from what was measured last."""
    return scoreboard_table.page(ROOT / "bench/scoreboard.json")


def github_page() -> str:
    """docs/github.md, with the tables of the action's inputs and outputs as action.yml has them."""
    text = (ROOT / "docs/github.md").read_text(encoding="utf-8")
    action = _action()
    for kind in ("inputs", "outputs"):
        head = "| input | default | |\n|---|---|---|" if kind == "inputs" else "| output | |\n|---|---|"
        rows = [_action_row(name, about) for name, about in action[kind].items()]
        text = _between(text, kind, [head, *rows])
    return text


def gitlab_page() -> str:
    """docs/gitlab.md, with the file of a user, the jobs and inputs of the template, and the variables of one run and of later jobs."""
    text = (ROOT / "docs/gitlab.md").read_text(encoding="utf-8")
    user = (ROOT / "lua/templates/gitlab.yml").read_text(encoding="utf-8").rstrip("\n")
    shown = ["```yaml", *user.split("\n"), "```"]
    text = _between(text, "template", [f"   {line}".rstrip() for line in shown], indent="   ")
    template = gitlab_component()
    jobs = [f"| `sloth:{name}` | {told} |" for name, told in gitlab_template.jobs(template).items()]
    inputs = [_action_row(name, about) for name, about in gitlab_template.header(template)["inputs"].items()]
    text = _between(
        text, "jobs", ["| job | runs for |\n|---|---|", *jobs, "", "| input | default | |\n|---|---|---|", *inputs]
    )
    action = _action()
    commands = ", ".join(f"`{word}`" for word in gitlab_template.header(template)["inputs"]["command"]["options"][1:])
    of_one_run = {"command": f"What to do where no merge request, push or webhook says it: {commands}."}
    of_one_run |= {name: action["inputs"][name]["description"] for name in _OF_ONE_RUN}
    later = {name: about["description"] for name, about in action["outputs"].items()}
    rows = ["| variable of one pipeline | |\n|---|---|", *_variables(of_one_run)]
    rows += ["", "| variable of later jobs | |\n|---|---|", *_variables(later)]
    return _between(text, "variables", rows)


_OF_ONE_RUN: Final = ("task", "params", "base", "head", "to", "reason", "release-hold")


def _variables(told: Mapping[str, str]) -> list[str]:
    """What action.yml says of inputs and outputs, in the words of GitLab."""
    words = {"pull request": "merge request", "check run": "commit status", "comment on the": "note on the"}
    theirs = re.compile("|".join(words))
    return [
        _action_row(gitlab_variable(name), {"description": theirs.sub(lambda found: words[found[0]], text)})
        for name, text in told.items()
    ]


def gitlab_component() -> str:
    """templates/gitops/template.yml: where GitLab looks for the CI/CD component `gitops`."""
    return (ROOT / gitlab_template.TEMPLATE).read_text(encoding="utf-8")


def _action() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return read


def _between(text: str, name: str, lines: list[str], *, indent: str = "") -> str:
    """A text with other lines between the comments of that name."""
    before, start, rest = text.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"{indent}<!-- /{name} -->")
    if not end:
        sys.exit(f"there is no <!-- {name} --> ... <!-- /{name} -->")
    return "\n".join([before + start + lines[0], *lines[1:], end + after])


def _action_row(name: str, about: Mapping[str, Any]) -> str:
    description = about["description"].replace("|", "\\|")
    if "default" not in about:
        return f"| `{name}` | {description} |"
    default = "" if about["default"] == "" else f"`{about['default']}`"
    return f"| `{name}` | {default} | {description} |"


DOCUMENTS: Final = {
    "README.md": readme,
    "bench/README.md": all_figures,
    "docs/cli.md": cli_reference,
    "docs/github.md": github_page,
    "docs/gitlab.md": gitlab_page,
    "docs/lua.md": lua_reference,
    "docs/scoreboard.md": scoreboard,
    gitlab_template.COMPONENT: gitlab_component,
}


def main(arguments: list[str]) -> int:
    """Write, or with `--check` compare."""
    stale = 0
    for name, make in DOCUMENTS.items():
        path, text = ROOT / name, make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in arguments:
            print(f"{name} is not current: run `make docs`", file=sys.stderr)
            stale = 1
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
