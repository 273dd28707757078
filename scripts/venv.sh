#!/usr/bin/env bash
# Make .venv hold what requirements/dev.txt pins, and this checkout as an editable install.
#
#   PYTHON=python3.12 scripts/venv.sh      with an interpreter of your choice; 3.11 or later
set -euo pipefail
cd "$(dirname "$0")/.."

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

if [[ -z ${PYTHON:-} ]]; then
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if fits "$candidate"; then
      PYTHON=$candidate
      break
    fi
  done
fi
if ! fits "${PYTHON:-none}"; then
  echo "sloth-ci needs Python 3.11 or later; name it with PYTHON=/path/to/python3" >&2
  exit 1
fi

# A copied checkout carries an environment that still belongs to the original: start anew.
if ! { grep -qF "$PWD/.venv" .venv/pyvenv.cfg && fits .venv/bin/python; } 2>/dev/null; then
  echo "setting up .venv with $("$PYTHON" --version)"
  "$PYTHON" -m venv --clear .venv
fi

pip() { .venv/bin/python -m pip --disable-pip-version-check --quiet "$@"; }

pip install --require-hashes --requirement requirements/dev.txt
# The build backend is pinned above, so nothing else is fetched.
pip install --no-deps --no-build-isolation --editable .
