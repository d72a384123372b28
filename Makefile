# Everything is set up on first use, in .venv. Needs Python 3.11 or newer, and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-slow check wheel clean

## Phantom tissue -> training -> synthesis -> numbers -> runs/demo/index.html
demo: $(VENV)/.installed
	$(BIN)/python -m launch.demo runs/demo

## Minutes on two cores
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

## Long fault, cluster and browser tests
test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow

## Style, lint and types
check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

## dist/*.whl and dist/*.tar.gz, to install anywhere
wheel: $(VENV)/.installed
	rm -rf dist
	$(INSTALL) build
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) runs/demo dist

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "histosyn needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.py constraints.txt | $(VENV)/bin/python
	$(INSTALL) -e ".[report]"
	touch $@

$(VENV)/.installed-dev: setup.py constraints.txt | $(VENV)/bin/python
	$(INSTALL) -e ".[dev]"
	touch $@ $(VENV)/.installed
