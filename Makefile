# `make help` lists the targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
SEED_USERS ?= 100
BENCH ?= --json bench.json
FIGURES ?= bench.json
COVERAGE ?= $(CI)
# One more than there are processors, for tests that wait for servers.
export PYTEST_XDIST_AUTO_NUM_WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
UV := $(shell command -v uv 2>/dev/null)
# Bytecode is kept even where the shell says otherwise: reading the tests anew costs each process ten seconds.
export PYTHONDONTWRITEBYTECODE :=
DEVELOPMENT := APP_ENV=development

.PHONY: help install run serve test test-slow bench bench-plot bench-page check lint types drift audit format migration upgrade seed docs openapi lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.requirements: requirements.txt | $(BIN)/python
	$(call install_lock,requirements.txt)
	@touch $@

$(VENV)/.requirements-dev: requirements-dev.txt | $(BIN)/python
	$(call install_lock,requirements-dev.txt)
	@touch $@ $(VENV)/.requirements

# A lock names everything, so pip has nothing to resolve; it would look at newer releases for a package with an extra.
define install_lock
	@echo "Installing the locked packages of $(1) ..."
	@if [ -n "$(UV)" ]; then $(UV) pip install --quiet --python $(BIN)/python --require-hashes -r $(1); \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(1); fi
endef

install: $(VENV)/.requirements-dev ## Install what developing needs

run: $(VENV)/.requirements ## Run for development: SQLite, keys and data under instance/
	@$(DEVELOPMENT) $(BIN)/flask db upgrade
	@$(DEVELOPMENT) PORT=$(PORT) exec $(BIN)/gunicorn

serve: $(VENV)/.requirements ## Run with production settings, which come from the environment
	@$(BIN)/flask db upgrade
	@exec $(BIN)/gunicorn

test: $(VENV)/.requirements-dev ## Run the tests; COVERAGE=1 measures what they reach, and takes half as long again
	$(BIN)/python -m pytest -m "not slow" $(if $(COVERAGE),--cov --cov-report=term)

test-slow: $(VENV)/.requirements-dev ## Run the proofs that take their time
	$(BIN)/python -m pytest -m slow -n 0

bench: $(VENV)/.requirements-dev ## Measure speed: figures in bench.json (bench/README.md)
	$(BIN)/python -m bench $(BENCH)

bench-plot: $(VENV)/.requirements-dev ## Draw what was measured, under bench/plots/
	$(BIN)/python -m bench.plot $(FIGURES) bench/plots

bench-page: $(VENV)/.requirements-dev ## Put what was measured into docs/performance.md
	$(BIN)/python -m bench.page $(FIGURES)

check: lint types drift ## Everything that needs no running service

lint: $(VENV)/.requirements-dev ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.requirements-dev ## Types
	$(BIN)/mypy

drift: $(VENV)/.requirements-dev ## Do models and migrations agree?
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && export $(DEVELOPMENT) DATABASE_URL=sqlite:///$$dir/drift.sqlite3 \
	&& $(BIN)/flask db upgrade && $(BIN)/flask db check

audit: $(VENV)/.requirements-dev ## Known weaknesses in the locked packages (asks the advisory database)
	$(BIN)/pip-audit --requirement requirements.txt --require-hashes --disable-pip --progress-spinner off

format: $(VENV)/.requirements-dev ## Bring the style in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

migration: $(VENV)/.requirements-dev ## Write a migration: make migration MESSAGE="add a column"
	@test -n "$(MESSAGE)" || { echo 'Say what it does: make migration MESSAGE="add a column"'; exit 1; }
	$(DEVELOPMENT) $(BIN)/flask db migrate -m "$(MESSAGE)"

upgrade: $(VENV)/.requirements ## Bring the development database to the newest schema
	$(DEVELOPMENT) $(BIN)/flask db upgrade

seed: upgrade ## Fill the development database: make seed SEED_USERS=1000
	$(DEVELOPMENT) $(BIN)/flask seed --users $(SEED_USERS)

docs: $(VENV)/.requirements ## Write the README's table of settings from config.py
	$(BIN)/python docs/write_tables.py

openapi: $(VENV)/.requirements ## Write docs/openapi.json anew, as production serves it
	@APP_ENV=testing PUBLIC_URL=https://users.example.com $(BIN)/flask openapi print \
	| $(BIN)/python -m json.tool --no-ensure-ascii --indent 2 - docs/openapi.json

lock: ## Lock the packages anew (needs uv)
	uv pip compile setup.cfg --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade --quiet -o requirements.txt
	uv pip compile setup.cfg --extra dev --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade --quiet -c requirements.txt -o requirements-dev.txt

clean: ## Remove what was made; the data under instance/ stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
