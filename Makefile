# keyward.bitlocker: everything a developer or a pipeline runs. `make help` lists it.
SHELL := /bin/sh
PYTHON ?= python3
ROOT := $(CURDIR)
BIN := $(ROOT)/.venv/bin
LAB := ansible_collections.keyward.bitlocker.tests.lab

LAB_HOSTS ?= 100
LAB_SEED ?= 1
LAB_COPIES ?= 1
LAB_PROOF ?= none
LAB_FAULT ?=
# 1: keep a ledger, change and remove keys, run a second time; needs LAB_PROOF=live
LAB_AGAIN ?=
# ad: the directory alone
LAB_STORES ?= ad,entra
LAB_DIR ?= build/lab
LAB_OPTIONS = --hosts $(LAB_HOSTS) --seed $(LAB_SEED) --copies $(LAB_COPIES) --proof $(LAB_PROOF) $(if $(LAB_FAULT),--fault $(LAB_FAULT)) $(if $(findstring entra,$(LAB_STORES)),,--no-entra)

# one tree for every tool: the checkout under the name of the collection, and nothing from the home directory
export ANSIBLE_COLLECTIONS_PATH := $(ROOT)/.collections
export PYTHONPATH := $(ROOT)/.collections
export PATH := $(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test check test-matrix soak lab lab-down bench clean tree
.PHONY: ruff mypy shellcheck unit unit-quick integration sanity lint docs-lint changelog-lint importer cores

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

# --- what is needed -------------------------------------------------------------------------------------------------------------------

.venv/bin/python:
	@PYTHON=$(PYTHON) sh tests/tools/system_packages.sh venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON to one")'
	@echo "== Python environment in .venv"
	@$(PYTHON) -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check --upgrade pip

.venv/.runtime: requirements.txt tests/lab/requirements.txt | .venv/bin/python
	@.venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt -r tests/lab/requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt requirements.txt tests/lab/requirements.txt tests/tools/axe.txt | .venv/bin/python
	@PYTHON=$(PYTHON) sh tests/tools/system_packages.sh test
	@.venv/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt -r tests/lab/requirements.txt
	@.venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r tests/tools/axe.txt
	@touch $@ .venv/.runtime

.venv-importer/.done: | .venv/bin/python
	@$(PYTHON) -m venv .venv-importer
	@.venv-importer/bin/pip install --quiet --disable-pip-version-check galaxy-importer
	@touch $@

tree: .collections/ansible_collections/keyward/bitlocker
.collections/ansible_collections/keyward/bitlocker:
	@mkdir -p $(dir $@) && ln -sfn ../../.. $@

# --- the product on a lab ---------------------------------------------------------------------------------------------------------------

demo: .venv/.runtime tree ## the escrow report on a lab of real Samba, a simulated Entra tenant and Windows hosts (LAB_HOSTS, LAB_SEED, LAB_COPIES, LAB_PROOF=live, LAB_AGAIN=1, LAB_FAULT, LAB_STORES=ad)
	@sh tests/tools/system_packages.sh lab
	@$(BIN)/python -m $(LAB) demo --dir build/demo $(LAB_OPTIONS) $(if $(LAB_AGAIN),--again)

lab: .venv/.runtime tree ## start a lab and leave it running; prints commands to try
	@sh tests/tools/system_packages.sh lab
	@$(BIN)/python -m $(LAB) up --dir $(LAB_DIR) $(LAB_OPTIONS)

lab-down: .venv/.runtime tree ## stop that lab
	@$(BIN)/python -m $(LAB) down --dir $(LAB_DIR)

# --- checks -----------------------------------------------------------------------------------------------------------------------------

check: ruff mypy shellcheck changelog-lint unit-quick ## the quick part, under a minute warm

test: ruff mypy shellcheck changelog-lint unit lint docs-lint sanity importer cores integration ## every check and test
	@echo "== all checks and tests passed"

ruff: .venv/.dev
	@echo "== ruff"
	@ruff check . && ruff format --check .

mypy: .venv/.dev tree
	@echo "== mypy --strict"
	@cd .collections && MYPYPATH=. mypy --config-file ../pyproject.toml ansible_collections/keyward/bitlocker/plugins ansible_collections/keyward/bitlocker/tests/lab ansible_collections/keyward/bitlocker/tests/bench

shellcheck: .venv/.dev
	@echo "== shellcheck"
	@shellcheck tests/tools/*.sh .ci/run

changelog-lint: .venv/.dev
	@echo "== antsibull-changelog lint"
	@antsibull-changelog lint

# what cores runs too, on three versions of ansible-core, is left to it
unit: .venv/.dev tree
	@echo "== unit tests"
	@python -m pytest -q -n 3 tests/unit --ignore tests/unit/resolver_matrix

unit-quick: .venv/.dev tree
	@echo "== unit tests that are quick"
	@PYTHONPATH=$(ROOT)/tests/tools:$(PYTHONPATH) python -m pytest -q -n 3 -p quick_tests tests/unit

lint: .venv/.dev tree
	@echo "== ansible-lint, profile production"
	@ansible-lint --offline --profile production

docs-lint: .venv/.dev tree
	@echo "== antsibull-docs lint-collection-docs"
	@antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=all --disallow-unknown-collection-refs .

sanity: .venv/.dev
	@echo "== ansible-test sanity, no ignore file"
	@test -z "$$(ls tests/sanity/ignore*.txt 2>/dev/null)"
	@sh tests/tools/ansible_test.sh sanity

importer: .venv/.dev .venv-importer/.done
	@echo "== galaxy-importer"
	@sh tests/tools/galaxy_importer.sh

integration: .venv/.dev tree
	@echo "== integration: real Samba, real HTTPS, real ansible-playbook"
	@python -m pytest -q -n 2 --dist loadfile tests/integration

cores: .venv/.dev tree
	@echo "== connection resolver and actions on ansible-core 2.16, 2.19 and 2.21"
	@python tests/matrix.py || test $$? = 3 # 3: this machine has no Python for one of them, which is said plainly

test-matrix: .venv/.dev tree ## unit tests and a playbook run on other Pythons and ansible-core versions
	@sh tests/tools/matrix.sh

soak: .venv/.dev tree ## long runs: deep property tests, fuzzing
	@sh tests/tools/soak.sh

bench: .venv/.dev tree ## measure; writes build/bench/bench.json
	@python -m ansible_collections.keyward.bitlocker.tests.bench --out build/bench/bench.json

clean: ## remove what was built (not the environments)
	@rm -rf build dist tests/output .mypy_cache .ruff_cache .pytest_cache
