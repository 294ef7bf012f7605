# `make test` and `make demo` set up all they need in .venv; a second run is fast.
PYTHON ?= python3
BIN = .venv/bin

# The data are small: threads of linear algebra and of trees only wait for one another.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

.PHONY: test test-slow test-all demo docs lint clean

# Tests take from a millisecond to half a minute: idle cores take over what is left.
PYTEST = $(BIN)/python -m pytest --numprocesses auto --dist worksteal

# All but the tests with the mark `slow`, and fewer examples of Hypothesis.
test: .venv/installed
	$(PYTEST) -m "not slow"

test-slow: .venv/installed
	$(PYTEST) -m "slow or hypothesis"

test-all: .venv/installed
	$(PYTEST)

demo: .venv/demo
	@echo "Fitting four regressions to tables with more and more wrong rows ..."
	$(BIN)/python examples/plot_robust_comparison.py --output robust_comparison.png
	@echo "The picture is in robust_comparison.png."

# The site, with its gallery run anew, in docs/_build/html; warnings are errors.
docs: .venv/docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -b html docs docs/_build/html

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(BIN):$$PATH" cython-lint sksoftrank
	$(BIN)/mypy

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	    "sksoftrank needs Python 3.11 or newer; use make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv

SOURCES = pyproject.toml setup.py $(wildcard sksoftrank/*.pyx sksoftrank/*.pxd)

# What the demo needs and no more.
.venv/demo: $(SOURCES) | .venv/bin/python
	@echo "Compiling sksoftrank and installing it with matplotlib in .venv (a minute) ..."
	$(BIN)/python -m pip install --quiet --editable ".[plot]"
	touch $@

.venv/installed: $(SOURCES) | .venv/bin/python
	@echo "Installing all for development in .venv (minutes) ..."
	$(BIN)/python -m pip install --quiet --editable ".[plot,test,lint]"
	touch $@

.venv/docs: .venv/installed
	$(BIN)/python -m pip install --quiet --editable ".[plot,docs]"
	touch $@

clean:
	rm -rf .venv build *.egg-info sksoftrank/*.c sksoftrank/*.so
	rm -rf docs/_build docs/auto_examples docs/api/generated docs/generated
