# `make walk` and `make test` work in a fresh clone: each first makes .venv with what it needs.
PYTHON ?= $(firstword $(foreach python,python3.11 python3.12 python3.13 python3,\
	$(if $(shell $(python) -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null | grep True),$(python))))
TEST_WORKERS ?= auto
SEED ?= 0

# jax can deadlock on two cores unless told to make more threads.
export NPROC ?= 8

.PHONY: walk test fast coverage lint types notebooks docs clean

walk: .venv/walk.stamp
	.venv/bin/locoenvs walk --seed $(SEED)

test: .venv/dev.stamp
	.venv/bin/python -m pytest -n $(TEST_WORKERS) --maxprocesses 8 --dist loadgroup

fast: .venv/dev.stamp
	.venv/bin/python -m pytest -n $(TEST_WORKERS) --maxprocesses 8 --dist loadgroup -m "not slow"

coverage: .venv/dev.stamp
	.venv/bin/python -m pytest -n $(TEST_WORKERS) --maxprocesses 8 --dist loadgroup --cov --cov-report=term:skip-covered

lint: types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/dev.stamp
	rm -rf build/types
	mkdir -p build/types/locoenvs
	ln -s $(CURDIR)/locoenvs/* build/types/locoenvs/
	ln -s $(CURDIR)/backends $(CURDIR)/wrappers $(CURDIR)/benchmarks build/types/locoenvs/
	cd build/types && $(CURDIR)/.venv/bin/mypy --config-file $(CURDIR)/pyproject.toml -p locoenvs

notebooks: .venv/dev.stamp
	.venv/bin/python -m pytest -n $(TEST_WORKERS) --maxprocesses 8 tests/test_notebooks.py

docs: .venv/docs.stamp
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict
	@echo build/site/index.html

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/%.stamp: pyproject.toml constraints.txt | .venv/bin/python
	@echo 'Installing into .venv: minutes the first time.'
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[$*]'
	touch $@
