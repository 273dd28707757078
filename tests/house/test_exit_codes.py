"""One exit code per kind of error, and the table that documents them is true."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import sloth_ci
from sloth_ci.core import errors
from sloth_ci.core.errors import SlothError


def _tree(kind: type[SlothError]) -> list[type[SlothError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _tree(child))]


def _kinds() -> list[type[SlothError]]:
    kinds: list[type[SlothError]] = [SlothError]
    return kinds + SlothError.__subclasses__()


@pytest.fixture(scope="module", autouse=True)
def _whole_package() -> None:
    for module in pkgutil.walk_packages(sloth_ci.__path__, "sloth_ci."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def test_each_kind_of_error_has_a_code_of_its_own() -> None:
    kinds = _kinds()
    assert all("exit_code" in vars(kind) for kind in kinds)
    codes = {kind.exit_code: kind.__name__ for kind in kinds}
    assert len(codes) == len(kinds), "two kinds share a code"
    assert not codes.keys() & {0, 20}, "0 is success, 20 is `preview --exit-code`"


def test_a_variant_keeps_the_code_of_its_kind() -> None:
    for kind in SlothError.__subclasses__():
        assert {variant.__name__: variant.exit_code for variant in _tree(kind)} == {
            variant.__name__: kind.exit_code for variant in _tree(kind)
        }


def test_the_documented_table_is_the_real_one() -> None:
    assert errors.__doc__
    rows = re.findall(r"^\s*(?:[├└]── )?([A-Z]\w+)\s+(\d+)\s", errors.__doc__, re.MULTILINE)
    real = {kind.__name__: kind.exit_code for kind in _kinds()}
    assert {name: int(code) for name, code in rows} == real


def test_an_error_carries_the_way_out() -> None:
    error = errors.UsageError("no such workflow", "known workflows: a, b")
    assert (str(error), error.message, error.hint) == ("no such workflow", "no such workflow", "known workflows: a, b")
