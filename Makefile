# The commands a newcomer needs; `make` alone lists them. Everything runs from .venv, which the first command makes.
PYTHON ?= python3.11
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TESTS ?= tests
# A module stays in one process, so that what its tests share is made once.
IN_PARALLEL ?= -n 3 --dist loadfile --no-loadscope-reorder
.DEFAULT_GOAL := help

.PHONY: help demo demo-reset test check bench audit lock format look messages
help:  ## this list
	@grep -hE '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv: $(STAMP)  ## the virtual environment, from the locked requirements

$(STAMP): requirements/development.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed ($(PYTHON) was not found; set PYTHON=…)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/development.txt
	@touch $(STAMP)

look: $(STAMP)  ## the pages' stylesheets and languages into build/, where they are older than styles/ and locale/
	@$(BIN)/python styles/build.py
	@$(BIN)/python locale/messages.py compile

messages: $(STAMP)  ## collect what the pages say into locale/*/LC_MESSAGES/django.po; then translate what is empty
	@$(BIN)/python locale/messages.py collect

demo: $(STAMP) look  ## everything in one command on PORT (8000), the sandbox beside it
	@exec $(BIN)/python -m sandbox.up --port $(PORT)

demo-reset: $(STAMP)  ## wipe what the demo on PORT keeps
	@$(BIN)/python -m sandbox.up --port $(PORT) --reset

test: $(STAMP) look  ## every test, on real PostgreSQL
	$(BIN)/python -m pytest $(IN_PARALLEL) $(TESTS)

format: $(STAMP)  ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only --quiet .

check: $(STAMP) look  ## what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(IN_PARALLEL) $(TESTS)

bench: $(STAMP) look  ## the benchmark table; writes var/bench.json
	$(BIN)/python -m tests.bench

audit: $(STAMP)  ## known vulnerabilities of what is locked, and an SBOM in var/
	@PYTHON=$(PYTHON) $(BIN)/python requirements/audit.py

lock:  ## resolve the requirements again (needs uv); the locks name no registry
	uv pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  -o requirements/production.txt
	uv pip compile -q pyproject.toml --extra s3 --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  -c requirements/production.txt -o requirements/s3.txt
	uv pip compile -q pyproject.toml --extra sandbox --extra s3 --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate -c requirements/production.txt -o requirements/development.txt
	uv pip compile -q --group audit --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate -o requirements/audit.txt
