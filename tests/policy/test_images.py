from __future__ import annotations

import pytest

from sloth_ci.policy.images import comes_from, read_image


@pytest.mark.parametrize(
    ("text", "name", "tag", "digest", "moves"),
    [
        ("nginx", "docker.io/library/nginx", "", "", True),
        ("nginx:latest", "docker.io/library/nginx", "latest", "", True),
        ("nginx:1.27", "docker.io/library/nginx", "1.27", "", False),
        ("acme/web", "docker.io/acme/web", "", "", True),
        ("ghcr.io/acme/web:1", "ghcr.io/acme/web", "1", "", False),
        ("ghcr.io/acme/web@sha256:0a", "ghcr.io/acme/web", "", "sha256:0a", False),
        ("ghcr.io/acme/web:latest@sha256:0a", "ghcr.io/acme/web", "latest", "sha256:0a", False),
        ("localhost/web", "localhost/web", "", "", True),
        ("registry:5000/web", "registry:5000/web", "", "", True),
        ("registry:5000/a/b/web:2", "registry:5000/a/b/web", "2", "", False),
        ("10.0.0.1:5000/web:latest", "10.0.0.1:5000/web", "latest", "", True),
    ],
)
def test_the_parts_of_a_name(text: str, name: str, tag: str, digest: str, moves: bool) -> None:
    image = read_image(text)
    assert (image.name, image.tag, image.digest, image.moves) == (name, tag, digest, moves)


@pytest.mark.parametrize(
    ("image", "place", "inside"),
    [
        ("ghcr.io/acme/web:1", "ghcr.io/acme", True),
        ("ghcr.io/acme/web:1", "ghcr.io/acme/", True),
        ("ghcr.io/acme/web:1", "ghcr.io", True),
        ("ghcr.io/acme/web:1", "ghcr.io/acme/web", True),
        ("ghcr.io/acme-evil/web:1", "ghcr.io/acme", False),
        ("evil.io/ghcr.io/acme/web", "ghcr.io/acme", False),
        ("nginx", "docker.io/library", True),
        ("nginx", "docker.io", True),
        ("nginx", "ghcr.io", False),
        ("eu.example.com/web", "*.example.com/*", True),
        ("example.com.evil.io/web", "*.example.com/*", False),
        ("evil.io/a.example.com/web", "*.example.com/*", False),
        ("ghcr.io/evil/a.example.com/web", "*.example.com/*", False),
        ("eu.example.com/team/web", "*.example.com/*", True),
        ("docker.io/nginx", "docker.io/library", True),
        ("index.docker.io/library/nginx", "docker.io", True),
    ],
)
def test_where_an_image_comes_from(image: str, place: str, inside: bool) -> None:
    assert comes_from(read_image(image), [place]) is inside
