#!/bin/sh
# How the container image starts: as the GitHub action (nothing is given), with an option (`docker run IMAGE --help`), or
# with a command of any kind (`docker run IMAGE sloth-ci preview`; GitLab's runner asks for a shell). `exec`, so that a
# signal of the runner reaches the program.
set -eu
case ${1-} in
  '') exec sloth-ci ci ;;
  -*) exec sloth-ci "$@" ;;
  *) exec "$@" ;;
esac
