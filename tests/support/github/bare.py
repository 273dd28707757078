"""The Git side of a repository of the fake GitHub: who commits on the web, and what guards protected branches."""

from __future__ import annotations

from typing import Final

from support.forges import bare

WEB: Final = ("GitHub", "noreply@github.com")
"""Who commits what is made on the web and through the API."""

# Reads what the fake wrote: a line for each protected branch, `ref kind login,login`: who may push in spite of it.
_HOOK: Final = """\
#!/bin/sh
rules=$GIT_DIR/sloth-protected
zero=0000000000000000000000000000000000000000
refused=0
while read -r old new ref; do
  if test "$SLOTH_WORKFLOWS" = no && test "$new" != $zero; then
    base=$old
    test "$old" != $zero || base=$(git merge-base HEAD "$new") || base=$new
    for file in $(git diff --name-only "$base" "$new" -- .github/workflows); do
      echo "refusing to allow a GitHub App to create or update workflow \\`$file\\` without \\`workflows\\` permission" >&2
      refused=1
    done
  fi
  test -f "$rules" || continue
  while read -r protected kind allowed; do
    test "$ref" = "$protected" || continue
    case ",$allowed," in *",$REMOTE_USER,"*) continue ;; esac
    if test "$kind" = ruleset; then
      echo "error: GH013: Repository rule violations found for $ref." >&2
      echo "Review all repository rules at http://127.0.0.1/rules?ref=$ref" >&2
    else
      echo "error: GH006: Protected branch update failed for $ref." >&2
    fi
    echo >&2
    echo "- Changes must be made through a pull request." >&2
    refused=1
  done < "$rules"
done
exit $refused
"""


class Bare(bare.Bare):
    """A bare repository of GitHub."""

    web = WEB
    hook = _HOOK
