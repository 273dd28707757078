"""What a plan shows beside its changes: the commit, the hooks, the drift."""

from __future__ import annotations

import io

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from sloth_ci.core.plan import Change, Plan
from sloth_ci.report.markdown import plans_markdown
from sloth_ci.report.panes import commit_of, drift_words
from sloth_ci.report.terminal import show_plan
from support.panes import drifted, shop
from support.plans import change, field, plan


def _shown(one: Plan, width: int = 100, **rest: object) -> str:
    out = io.StringIO()
    show_plan(one, file=out, width=width, environ={}, **rest)  # type: ignore[arg-type]
    return out.getvalue()


def test_three_panes() -> None:
    assert (
        _shown(shop())
        == """\
5 changes to cluster production (namespace shop) · 1 created, 3 updated, 1 deleted
  highest impact critical · irreversible: 1 · overwrites 3 fields of others
shop · production · revision 4f2c9b1e8d7a

the commit changes 5 objects · the cluster would see 2 of them differently
  ~ Deployment/shop/web        image 1.25.0 → 1.26.0                                base/web.yaml:14
  - ConfigMap/shop/old-banner  no change in the cluster

the cluster would see 5 changes

critical · 1 change
▌ - Namespace/legacy         irreversible
▌     all in it is deleted with it
▌     ▲ 41 objects live in it
▌     ▲ Deployment/shop/web reads Service/legacy/rates
▌     ▲ Ingress/shop/i0 routes to it
▌     ▲ Ingress/shop/i1 routes to it
▌     … 3 more

medium · 1 change
▌ ~ Deployment/shop/web      image 1.25.0 → 1.26.0, replicas 7 → 3                  base/web.yaml:14

low · 3 changes
▌ ~ ConfigMap/shop/settings  key LOG_LEVEL info → debug                         base/settings.yaml:1
▌     taken over from kubectl apply (client-side)
▌ ~ Service/shop/web         not in the commit, spec.type NodePort → ClusterIP      base/web.yaml:61
▌ + Deployment/shop/wallet   image wallet:0.1.0, 2 replicas                 wallet/deployment.yaml:1
▌     unverified until its Namespace exists

a sync also runs 2 hooks
  PreSync   Job/shop/migrate                                                    hooks/migrate.yaml:1
  PostSync  Job/shop/smoke-test                                                   hooks/smoke.yaml:1

drift: a sync refuses because of 1 field that others changed
  Secret/shop/api  by vault-operator at 2025-11-20 23:01
    data.token  (secret 1f2e3d4c) now, (secret 77aa0011) in Git

drift: a sync puts back 3 fields that others changed
  Deployment/shop/web  by kubectl-edit at 2025-11-22 10:14
    spec.replicas                                       7 now, 3 in Git
    …emplate.spec.containers[name=web].env[name=DEBUG]  {name: DEBUG, value: "1"} now, not in Git
  Service/shop/web  by kubectl-edit at 2025-11-22 10:14
    spec.type  NodePort now, ClusterIP in Git

drift: a sync leaves 2 fields to their owners
  Deployment/shop/checkout  by kube-controller-manager at 2025-11-23 04:58
    spec.replicas                              12 now, 2 in Git
    metadata.annotations["example.com/owner"]  removed, team-shop in Git

digest 9d5ed678fe57bcca610140957afab571.2c26b46b68ffc68ff99b453c1d304134 · 162 unchanged
"""
    )


def _web(*fields: tuple[str, object, object]) -> Change:
    return change("update", "Deployment", "web", *(field(path, old, new) for path, old, new in fields))


WEB = _web(("spec.replicas", 2, 3))


@pytest.mark.parametrize(
    ("intent", "seen", "said"),
    [
        (None, [WEB], ""),
        ([], [], ""),
        ([WEB], [WEB], " · the commit changes the same 1 object\n"),
        ([WEB], [_web(("spec.replicas", 9, 3))], " · the commit changes the same 1 object\n"),
        ([], [WEB], " · none of it comes from the commit\n"),
        ([WEB], [], "the commit changes 1 object · the cluster would see no change\n"),
        ([WEB], [WEB, change("create", "Service", "web")], "the commit changes 1 object · the cluster would see 1 more\n"),
        ([WEB], [_web(("spec.replicas", 2, 4))], "the cluster would see 1 of them differently\n"),
        ([WEB], [change("recreate", "Deployment", "web", *WEB.fields)], "the cluster would see 1 of them differently\n"),
    ],
)  # fmt: skip
def test_as_much_is_said_of_the_commit_as_there_is_to_say(
    intent: list[Change] | None, seen: list[Change], said: str
) -> None:
    one = plan(*seen, destination="cluster test", base=None, intent=None if intent is None else tuple(intent))
    shown = _shown(one)
    assert said in shown
    assert bool(said) == ("commit" in shown)
    assert "drift" not in shown


def test_a_field_that_the_cluster_has_already_is_a_difference() -> None:
    """Somebody has made half of the commit by hand."""
    both = _web(("spec.replicas", 2, 3), ("spec.paused", UNSET, True))
    commit = commit_of(plan(WEB, intent=(both,)))
    assert commit
    assert [one.change for one in commit.differing] == [both]
    assert [one.seen for one in commit.intended] == [True]


def test_large_panes_are_counted_unless_all_is_asked_for() -> None:
    changes = [change("create", "ConfigMap", f"c{i}") for i in range(100)]
    drift = tuple(drifted(f"spec.f{i:03}", i, i + 1, resource=f"X/shop/x{i % 3}") for i in range(100))
    one = plan(intent=tuple(changes), drift=drift, destination="cluster test")
    shown = _shown(one)
    assert "… 88 more objects" in shown
    assert "… 88 more fields" in shown
    assert shown.count("\n") < 45
    full = _shown(one, detail="full")
    assert "more" not in full
    assert full.count(" now, ") == 100


def test_hooks_are_not_told_where_nothing_is_synced() -> None:
    assert "hook" not in _shown(replace(shop(), changes=(), intent=None, drift=()))


def test_drift_is_told_where_nothing_changes() -> None:
    left = replace(shop(), changes=(), intent=None, drift=(drifted("spec.replicas", 5, 3, "left"),))
    shown = _shown(left)
    assert shown.startswith("no changes to cluster production (namespace shop): 162 objects as declared\n")
    assert "drift: a sync leaves 1 field to its owner\n" in shown


def test_a_drifted_value_that_nobody_may_see_and_nobody_is_known_for() -> None:
    hidden = drifted("data.a", "(secret)", "(secret)", masked=True, manager="unknown", resource="Secret/shop/x")
    shown = _shown(plan(destination="cluster test", drift=(hidden,)))
    assert "\n  Secret/shop/x\n    data.a  another value than in Git\n" in shown
    assert "| another value | <code>(secret)</code> |  |" in plans_markdown([plan(drift=(hidden,))])


@pytest.mark.parametrize(
    ("live", "git", "words"),
    [
        (5, 3, "5 now, 3 in Git"),
        (UNSET, "a", "removed, a in Git"),
        ("a", UNSET, "a now, not in Git"),
        (None, "", 'null now, "" in Git'),
        ("x" * 300 + "1", "x" * 300 + "2", "…xxxxxxxxxx1 now, …xxxxxxxxxx2 in Git"),
    ],
)
def test_a_drifted_value_is_told_from_both_sides(live: object, git: object, words: str) -> None:
    assert drift_words(drifted("a", live, git), 80) == words
