# The verbs of this project. Each works after a bare `git clone`, sets up .venv when it has to, and is quick when it need not.
#
#   PYTHON=python3.12 make test       with an interpreter of your choice (3.11 or later)
#   make test ARGS="-k rollback"      a part of it

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: demo test lint types bench scoreboard docs tools image cluster requirements clean help

BIN := .venv/bin
READY := .venv/ready
export PYTHON
# Two more than there are processors: tests wait for servers, containers and Git half of the time.
WORKERS ?= $(shell expr "$$(getconf _NPROCESSORS_ONLN)" + 2)

# The environment belongs to one place: a stamp of another checkout (cp -r) counts for nothing.
ifneq ($(shell cat $(READY) 2>/dev/null),$(CURDIR))
.PHONY: $(READY)
endif

$(READY): requirements/dev.txt pyproject.toml sloth_ci/__init__.py scripts/venv.sh
	@scripts/venv.sh
	@echo "$(CURDIR)" > $@

demo: $(READY) ## A plan, a sync, a failure and a rollback on a repository made for it
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python demo/run.py $(ARGS)

test: $(READY) ## All tests, against real engines
	@{ $(BIN)/python scripts/engines.py && $(BIN)/python scripts/descriptions.py && $(BIN)/python scripts/gitlab_ci_local.py; } || { [[ $${CI:-} != true ]] && echo "going on: tests that need what is missing are skipped"; }
	@$(if $(ARGS),true,$(BIN)/python scripts/make_image.py) || { [[ $${CI:-} != true ]] && echo "going on: tests that need an image are skipped"; }
	@$(BIN)/pytest --numprocesses=$(WORKERS) --dist=worksteal $(ARGS)

lint: $(READY) ## Style, imports, shell, Lua, CI files, the Dockerfile, and whether generated documents are current
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/shellcheck .ci/run scripts/*.sh hooks/*
	@$(BIN)/python scripts/check_lua.py
	@$(BIN)/hadolint Dockerfile
	@$(BIN)/python scripts/check_ci.py
	@$(BIN)/python scripts/docs.py --check

types: $(READY) ## mypy, strict
	@$(BIN)/mypy $(ARGS)

bench: $(READY) ## All measurements; writes bench/results.json
	@$(BIN)/python bench/run.py

bench-%: $(READY) ## One measurement, by its name in bench/
	@$(BIN)/python bench/run.py $*

scoreboard: $(READY) ## How right our diffs and those of rivals are; writes bench/scoreboard.json and docs/scoreboard.md
	@cd bench && ../$(BIN)/python -m scoreboard $(ARGS)

docs: $(READY) ## Write the generated documents
	@$(BIN)/python scripts/docs.py

tools: $(READY) ## The engines of the tests (kubectl, kustomize, helm, a control plane, gitlab-ci-local), outside the work tree
	@$(BIN)/python scripts/engines.py
	@$(BIN)/python scripts/descriptions.py
	@$(BIN)/python scripts/gitlab_ci_local.py

image: $(READY) ## The container image, with a Docker engine (installed where none is, as root on Debian) and a base image
	@$(BIN)/python scripts/make_image.py --install

cluster: $(READY) ## A real, empty control plane with pretended nodes, until Ctrl-C; prints its KUBECONFIG
	@$(BIN)/python scripts/make_cluster.py

requirements: ## Pin requirements/*.txt anew (ARGS=--upgrade: to the newest)
	@scripts/requirements.sh $(ARGS)

clean: ## Remove .venv and caches; the engines of the tests stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## This list
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
