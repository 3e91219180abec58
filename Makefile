# Everything is set up by the targets themselves; `make lab` and `make test` are all that is needed.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help lab lab-down test test-all unit lint bench bench-xcache docs setup packages clean

help:
	@echo "make lab       build a small site on this computer and install it (root)"
	@echo "make lab-down  remove it"
	@echo "make test      all tests that belong to every change, machines included (root)"
	@echo "make test-all  the same, and what is slow and rarely breaks (root)"
	@echo "make unit      the tests that need neither machines nor root"
	@echo "make bench     what a run costs on one host, against plain tasks, and how long jobs, JupyterLab and Dask workers take in the lab (root; after make lab)"
	@echo "make bench-xcache  what a warm cache serves, against its origin (root; after molecule converge -s xcache)"
	@echo "make docs      write the generated pages anew"

lab: packages $(VENV)/.ready
	casa-install lab up
	casa-install site.yml -i inventories/lab --yes -e htcondor_proof_jobs=always
	casa-install status -i inventories/lab
	casa-install verify -i inventories/lab
	python -m tools.browser --lab lab trust pages refused login analysis
	casa-install lab show

lab-down: $(VENV)/.ready
	casa-install lab down

test: packages $(VENV)/.ready
	python -m pytest -m 'not rare'

test-all: packages $(VENV)/.ready
	python -m pytest

unit: $(VENV)/.ready
	python -m pytest -m 'not machines and not rare'

lint: $(VENV)/.ready
	python -m pytest tests/lint

# All but the first need the machines of `make lab`.
bench: packages $(VENV)/.ready
	python bench/state.py
	python bench/latency.py
	python bench/login.py
	python bench/dask.py

# Needs the machines of `molecule converge -s xcache`.
bench-xcache: packages $(VENV)/.ready
	python bench/xcache.py

docs: $(VENV)/.ready
	python -m tools.docs

setup: $(VENV)/.ready

packages:
	@tools/ensure-debian-packages

$(VENV)/.ready: pyproject.toml casa_install/__init__.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .ansible .cache
