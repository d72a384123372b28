# Everything is set up on first use, in .venv. Needs Python 3.11 or newer, and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# pip says nothing of what it does, for minutes.
FETCHED = Installing histosyn and its packages into $(VENV), once. What is missing is downloaded: PyTorch is 200 MB as a CPU build, 3 GB as the CUDA build that pip takes on Linux unless a CPU build is there.

.PHONY: demo test test-slow check docs wheel clean

## The shipped model's tissue -> numbers -> runs/demo/index.html; then a minute of training
demo: $(VENV)/.installed
	$(BIN)/histosyn demo runs/demo --train

## Minutes on two cores
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

## Long fault, cluster and browser tests
test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 3 --dist loadfile -m slow

## Style, lint and types, and links of the documentation
check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

## The documentation as a site, in site/; the pages made from the code are written anew
docs: $(VENV)/.installed-dev
	$(BIN)/python docs/make_reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html"

## dist/*.whl and dist/*.tar.gz, to install anywhere
wheel: $(VENV)/.installed
	rm -rf dist
	$(INSTALL) build
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) runs/demo dist site

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "histosyn needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.py constraints.txt | $(VENV)/bin/python
	@echo "$(FETCHED)"
	$(INSTALL) -e ".[report]"
	touch $@

$(VENV)/.installed-dev: setup.py constraints.txt | $(VENV)/bin/python
	@echo "$(FETCHED)"
	$(INSTALL) -e ".[dev]"
	touch $@ $(VENV)/.installed
