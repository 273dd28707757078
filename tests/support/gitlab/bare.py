"""The Git side of a project of the fake GitLab: who commits on the web, and what guards protected branches."""

from __future__ import annotations

from typing import Final

from support.forges import bare

WEB: Final = ("GitLab", "noreply@gitlab.example")
"""Who commits what nobody in particular does. Of what a person does on the web, the person is the committer."""

# SLOTH_NO_PUSH and SLOTH_NO_FORCE are patterns of the refs that whoever pushes may not move, or not backwards. Words of
# lib/gitlab/checks/branch_check.rb.
_HOOK: Final = """\
#!/bin/sh
set -f
zero=0000000000000000000000000000000000000000
refuse() {
  echo "GitLab: $1" >&2
  exit 1
}
while read -r old new ref; do
  case $ref in
    refs/merge-requests/* | refs/pipelines/* | refs/environments/*) refuse "You are not allowed to push to $ref." ;;
  esac
  if test "$new" = $zero && test "$ref" = "$(git symbolic-ref HEAD)"; then
    refuse "The default branch of a project cannot be deleted."
  fi
  for pattern in $SLOTH_NO_FORCE; do
    case $ref in
      $pattern)
        if test "$new" = $zero; then
          refuse "You can only delete protected branches using the web interface."
        fi
        if test "$old" != $zero && ! git merge-base --is-ancestor "$old" "$new"; then
          refuse "You are not allowed to force push code to a protected branch on this project."
        fi
        ;;
    esac
  done
  for pattern in $SLOTH_NO_PUSH; do
    case $ref in
      $pattern)
        test "$old" != $zero || refuse "You are not allowed to create protected branches on this project."
        refuse "You are not allowed to push code to protected branches on this project."
        ;;
    esac
  done
done
exit 0
"""


class Bare(bare.Bare):
    """A bare repository of GitLab."""

    web = WEB
    hook = _HOOK
