# Every target does the set-up it needs, on a fresh Debian 12 with git, make and python3.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
LOCK := $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock"
# The settings are checked as an installation behind https sees them.
PRODUCTION := RTCADMIN_PUBLIC_URL=https://rtcadmin.example RTCADMIN_ALLOWED_HOSTS=rtcadmin.example

# Which Debian packages are installed: what the demo needs, or what the tests need as well.
PACKAGES := demo
setup check test format lock: PACKAGES := test
bench: PACKAGES := bench

.PHONY: help setup setup-demo packages demo demo-check check test bench format lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.locked-dev ## Install what working on rtcadmin needs
setup-demo: $(VENV)/.locked

packages:
	@lab/install.sh $(PACKAGES)

$(BIN)/python: | packages
	@$(PYTHON) -m venv $(VENV)

# The virtual environment is brought up to date only when a lock file changed.
$(VENV)/.locked: requirements.txt | packages $(BIN)/python
	@echo "Installing requirements.txt into $(VENV)"
	@$(PIP) install --require-hashes -r requirements.txt
	@touch $@
$(VENV)/.locked-dev: requirements-dev.txt $(VENV)/.locked
	@echo "Installing requirements-dev.txt into $(VENV)"
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@
$(VENV)/.locked-bench: requirements-bench.txt $(VENV)/.locked
	@echo "Installing requirements-bench.txt into $(VENV)"
	@$(PIP) install --require-hashes -r requirements-bench.txt
	@touch $@

demo: setup-demo ## Start the whole console with a real directory and a real SIP server
	@exec $(BIN)/python -m lab.demo

demo-check: setup-demo ## Prove the main job from directory to registered client, unattended
	@exec $(BIN)/python -m lab.demo_check

check: setup ## Lint, types, floors, migrations, deployment settings, templates
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	@$(BIN)/djlint --quiet --lint --check templates

test: setup ## Run the tests on SQLite, then those marked `database` on PostgreSQL
	@$(BIN)/pytest --quiet --numprocesses auto
	@RTCADMIN_TEST_DATABASE=postgresql $(BIN)/pytest --quiet --numprocesses auto -m database

bench: setup-demo $(VENV)/.locked-bench ## Measure; ONLY=sync,delta,groups,push,registrations,web,export picks parts
	@exec $(BIN)/python -m bench $(if $(ONLY),--only $(ONLY))

format: setup ## Rewrite Python and templates in the house style
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .
	@$(BIN)/djlint --quiet --reformat templates || true

lock: setup ## Resolve the requirements anew; UPGRADE=1 takes the newest versions
	@for name in requirements requirements-dev requirements-bench; do \
		$(LOCK) $(if $(UPGRADE),--upgrade) $$name.in --output-file $$name.txt; \
	done

clean: ## Remove what set-up and checks left behind; keeps the demo's data
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov staticfiles
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
