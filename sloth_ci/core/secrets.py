"""Secret values never leave: what is shown of them is a fingerprint, keyed anew for every run."""

from __future__ import annotations

import hashlib
import hmac
import re

from sloth_ci.core.objects import Body, canonical

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
OPEN_FIELDS = frozenset({"apiVersion", "kind", "metadata", "type", "immutable"})
"""What may be shown of a Secret. Every other field holds values: `stringdata`, too, is only a slip of the pen."""


class Fingerprinter:
    """Equal values get equal fingerprints in one run; no fingerprint says anything about its value, or about another run's."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, value: object) -> str:
        """`(secret 3f9a1c2e)`."""
        return f"(secret {hmac.new(self._key, canonical(value), hashlib.sha256).hexdigest()[:8]})"

    def mask(self, body: Body) -> Body:
        """A copy that is fit to be shown. Everything but a Secret is returned as it is."""
        if not is_secret(body):
            return body
        masked = dict(body)
        for field in body.keys() - OPEN_FIELDS:
            values = body[field]
            if isinstance(values, dict):
                masked[field] = {key: self.of(value) for key, value in values.items()}
            elif values is not None:
                masked[field] = self.of(values)
        metadata = body.get("metadata")
        if isinstance(metadata, dict) and LAST_APPLIED in (metadata.get("annotations") or {}):
            annotations = dict(metadata["annotations"])
            annotations[LAST_APPLIED] = self.of(annotations[LAST_APPLIED])
            masked["metadata"] = {**metadata, "annotations": annotations}
        return masked


_TOP = re.compile(r"[.\[]| → ")
"""What ends the name of a top-level field in a path."""


def is_secret(body: Body) -> bool:
    """Whether the object is a core/v1 Secret, well formed or not."""
    return body.get("kind") == "Secret" and body.get("apiVersion") == "v1"


def is_secret_path(path: str) -> bool:
    """Whether a field of a Secret, as `core.diff` writes its path, holds a value that must not be shown."""
    return _TOP.split(path, maxsplit=1)[0] not in OPEN_FIELDS or LAST_APPLIED in path


_SECRET_WORDS = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "PRIVATE", "KEY", "CREDENTIAL", "JWT")


_PROXY = re.compile(r"(?:https?|ftp|all)_proxy", re.IGNORECASE)
_WITH_LOGIN = re.compile(r"https?://[^/\s@]+@|[a-z][a-z0-9+.-]*://[^/\s@:]*:[^/\s@]+@", re.IGNORECASE)
"""An address with a password in it, or a token."""


def is_secret_name(variable: str) -> bool:
    """Whether an environment variable is named as if it held a secret: no command and no script gets it."""
    name = variable.upper()
    return any(word in name for word in _SECRET_WORDS) or name in ("SLOTH_KUBECONFIG", "DOCKER_AUTH_CONFIG")


def is_secret_variable(name: str, value: str) -> bool:
    """Whether a variable holds a secret, by its name or by a login in its value.

    GitLab's runner sets CI_REPOSITORY_URL, an address with the job's token in it. That of a proxy may have a login, too, and
    commands need it to get anywhere.
    """
    return is_secret_name(name) or (not _PROXY.fullmatch(name) and _WITH_LOGIN.search(value) is not None)
