# The container action, and the image for any other CI: `docker run IMAGE sloth-ci preview`.
# Kept to what the classic builder can do: a runner without BuildKit builds `uses: ./` too.
FROM python:3.13-slim AS packages

# Without pip of its own: nothing is installed after the build. Wheels only: there is no compiler here.
WORKDIR /src
COPY requirements/runtime.txt requirements/image.txt requirements/
RUN python -m venv --without-pip /opt/sloth-ci \
 && python -m venv --without-pip /opt/tools \
 && pip --python /opt/sloth-ci/bin/python install \
      --no-cache-dir --only-binary :all: --require-hashes --requirement requirements/runtime.txt \
 && pip --python /opt/tools/bin/python install \
      --no-cache-dir --only-binary :all: --require-hashes --requirement requirements/image.txt


# The program in a layer of its own: a release that changes no requirement is a small download.
FROM packages AS program

COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY hooks hooks
COPY lua lua
COPY sloth_ci sloth_ci
RUN /opt/tools/bin/hatchling build --target wheel --directory wheel \
 && pip --python /opt/sloth-ci/bin/python install --no-cache-dir --no-deps --no-index --root /program wheel/*.whl


FROM python:3.13-slim

LABEL org.opencontainers.image.title="sloth-ci" \
      org.opencontainers.image.description="GitOps for Kubernetes that lives in your CI" \
      org.opencontainers.image.source="https://github.com/sloth-runner/gitops" \
      org.opencontainers.image.licenses="MIT"

# Debian takes replaced versions off its mirrors, so a pinned one would break the build. Of Perl, which git depends on, the
# base has what scripts of packages need; the library (45 MB) is for git's mail and Subversion commands.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
      -o Dpkg::Options::='--path-exclude=/usr/share/perl/5.*/*' \
      -o Dpkg::Options::='--path-exclude=/usr/lib/*/perl/5.*/*' \
      ca-certificates git kubectl kustomize openssh-client \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* \
 # The owner of a workspace on GitHub's runners, to whom `sloth-ci ci` drops: ssh wants an account.
 && useradd --uid 1001 --create-home --shell /usr/sbin/nologin sloth

COPY --from=packages /opt/tools/bin/helm /usr/local/bin/helm
COPY --from=packages /opt/sloth-ci /opt/sloth-ci
COPY --from=program /program /
COPY scripts/entrypoint.py /usr/local/bin/sloth-entrypoint

ENV PATH=/opt/sloth-ci/bin:$PATH \
    PYTHONUNBUFFERED=1

# The base image has no compiled standard library, and nobody who runs here can write one: compile what is used, by using it.
RUN python -c "import importlib, pkgutil, sloth_ci; \
[importlib.import_module(m.name) for m in pkgutil.walk_packages(sloth_ci.__path__, 'sloth_ci.') if m.name[-8:] != '__main__']" \
 && sloth-ci --version

# No USER: GitHub runs container actions as root, in a workspace that belongs to somebody else. `sloth-ci ci` drops to that
# owner itself; anywhere else `docker run --user` does.
ENTRYPOINT ["sloth-entrypoint"]
