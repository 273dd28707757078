#!/usr/bin/env bash
# Write requirements/*.txt from pyproject.toml and requirements/dev.in: every package pinned, with the hashes of its
# files for all platforms. What is pinned already stays, unless it is asked for:
#
#   scripts/requirements.sh --upgrade
#   scripts/requirements.sh --upgrade-package rich
set -euo pipefail
cd "$(dirname "$0")/.."

# The oldest Python we support: packages that only it needs are marked as such, the other way round they would be missing.
PYTHON=${PYTHON:-python3.11}

# A folder of local wheels would lend its hashes to everybody.
unset PIP_FIND_LINKS PIP_EXTRA_INDEX_URL
export CUSTOM_COMPILE_COMMAND="make requirements"

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$PYTHON" -m venv "$tools"
"$tools/bin/python" -m pip --disable-pip-version-check --quiet install pip-tools==7.6.2

compile() {
  "$tools/bin/pip-compile" --quiet --generate-hashes --strip-extras \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host "$@"
}

compile "$@" --output-file=requirements/runtime.txt pyproject.toml
compile "$@" --constraint=requirements/runtime.txt --output-file=requirements/dev.txt pyproject.toml requirements/dev.in
compile "$@" --constraint=requirements/dev.txt --output-file=requirements/image.txt requirements/image.in
