# make demo   set everything up and run the pipeline on the sandbox
# make dev    the same, staying up: Dagster UI and daemon
# make test   the tests            make check  linters, types, SQL, dbt
# make bench  measurements against rivals; takes minutes
PY ?= python3
# pyenv's shims refuse a version that is installed and not switched on; then it is taken from where pyenv keeps it.
PYTHON := $(shell $(PY) -c 'import sys; print(sys.executable)' 2>/dev/null || \
  ls $$(pyenv root 2>/dev/null)/versions/*/bin/$(PY) 2>/dev/null | tail -1)
VERSION := $(if $(PYTHON),$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null))
VENV := .venv/$(VERSION)
BIN := $(VENV)/bin
export PYTHONWARNINGS ?= ignore
export DO_NOT_TRACK = 1

.PHONY: demo dev setup test test-long check bench lock clean

demo: setup
	@$(BIN)/dataflow demo

dev: setup
	@$(BIN)/dataflow dev

setup: $(VENV)/.ok

test: $(VENV)/.dev
	$(BIN)/python -W default -m pytest -m "not long" -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-long: $(VENV)/.dev
	$(BIN)/python -W default -m pytest -m long $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/sqlfluff lint dbt/models dbt/tests
	$(BIN)/sqlfluff lint --templater placeholder sql
	$(BIN)/dbt parse --quiet --project-dir dbt --profiles-dir dbt

$(VENV)/.ok: requirements.lock bootstrap.lock pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "There is no $(PY) here; name one that is: make $(MAKECMDGOALS) PY=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "DataFlow needs Python 3.11, 3.12 or 3.13; try: make $(MAKECMDGOALS) PY=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian: the package python3-venv"; exit 1; }
	@echo "Installing into $(VENV) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r bootstrap.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.lock || \
	  $(BIN)/python -m pip install -q --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@cd .venv && for part in bin lib pyvenv.cfg; do ln -sfn $(VERSION)/$$part $$part; done
	@touch $@

$(VENV)/.dev: $(VENV)/.ok requirements-dev.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-dev.lock || \
	  $(BIN)/python -m pip install -q --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.ingest
	$(BIN)/python -m benchmarks.requests
	$(BIN)/python -m benchmarks.aggregates
	$(BIN)/python -m benchmarks.transform

lock: $(VENV)/.ok
	@for extra in "" "-dev"; do \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --no-annotate $${extra:+--extra dev -c requirements.lock} pyproject.toml -o requirements$$extra.lock; done

clean:
	@[ ! -x $(BIN)/python ] || $(BIN)/python -c 'from pathlib import Path; from dataflow_assets.embedded import erase; \
	  erase(Path(".dataflow")) if Path(".dataflow").exists() else None'
	rm -rf .venv .dataflow dbt/target dbt/logs
