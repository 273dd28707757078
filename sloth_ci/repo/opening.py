"""Opening what a workflow names: the checkout around a folder, or a clone in the cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from sloth_ci.core.workflow import RepositorySpec
from sloth_ci.repo import git
from sloth_ci.repo.address import parse_address
from sloth_ci.repo.cache import CacheEntry
from sloth_ci.repo.checkout import Checkout, find_checkout, named_remotes, read_config, remotes
from sloth_ci.repo.credentials import login_for
from sloth_ci.repo.repository import Repository
from sloth_ci.repo.tracking import Elsewhere, Offline, seen_from
from sloth_ci.repo.tree import show_path


def _log(message: str) -> None:
    import logging  # 10 ms, and hardly ever needed

    logging.getLogger(__name__).warning(message)


def open_repository(
    spec: RepositorySpec,
    *,
    cwd: Path,
    environ: Mapping[str, str],
    cache_dir: Path,
    notice: Callable[[str], None] = _log,
    offline: Offline | None = None,
) -> Repository:
    """Open what a workflow names. Nothing is fetched before it is needed.

    The checkout around `cwd` is used where it is the same repository, else a clone below `cache_dir`. `notice` gets
    what a person should know (a damaged clone that was made anew). With `offline`, nothing is fetched at all: what the remote
    has is what this machine saw last, and another repository than this checkout raises Elsewhere. Raises UsageError for a URL
    or credentials that cannot work; errors of the remote come with the first call that needs it.
    """
    env = git.environment(environ)
    address, in_url = parse_address(spec.url, cwd=cwd, environ=environ)
    credentials = spec.credentials or in_url
    inner = None if offline is None else replace(offline, checkout=None, config=None, opened={})
    opener = partial(open_repository, cwd=cwd, environ=environ, cache_dir=cache_dir, notice=notice, offline=inner)
    checkout = offline.checkout if offline and offline.checkout else find_checkout(cwd)
    if checkout is not None:
        config = offline.config if offline and offline.config is not None else read_config(checkout.git_dir, env)
        known = remotes(config, checkout.root, environ)
        itself = address.local and checkout.is_at(address.path, cwd)
        match = known[0] if itself and known else next((pair for pair in known if pair[0].same(address)), None)
        if offline is not None and (itself or match is not None):
            seen = offline if itself else seen_from(offline, address, named_remotes(config, checkout.root, environ))
            key = (seen.remote, spec.submodules)
            if key not in offline.opened:
                offline.opened[key] = Repository(
                    spec,
                    checkout,
                    None,
                    env=env,
                    environ=environ,
                    config=config,
                    opener=opener,
                    offline=seen,
                    display=show_path(match[0].text if match else str(checkout.root)),
                )
            found: Repository = offline.opened[key]
            return found
        if itself or match is not None:
            login = None
            if match is not None:
                # Without credentials of its own, the workflow goes the way that works for the checkout already.
                place, given = (
                    (address, credentials) if credentials and not itself else (match[0], credentials or match[1])
                )
                login = login_for(place, given, environ, cwd=cwd)
            names = [there.name for there, _ in (known if itself else [match] if match else []) if there.name]
            return Repository(
                spec, checkout, login, env=env, environ=environ, config=config, opener=opener, names=names
            )
    if offline is not None:
        raise Elsewhere(f"{show_path(address.text)} is another repository than this one", "it has a preview of its own")
    entry = CacheEntry(cache_dir, address, env, notice)
    login = login_for(address, credentials, environ, cwd=cwd)
    clone = Checkout(entry.path, entry.path, None)
    config = entry.mended(lambda: read_config(entry.path, env))
    names = [address.name] if address.name else []
    return Repository(
        spec, clone, login, env=env, environ=environ, config=config, opener=opener, entry=entry, names=names
    )
