# `make test` and `make demo` set up all they need in .venv; a second run is fast.
PYTHON ?= python3
BIN = .venv/bin

# The matrices are small: threads of the linear algebra only wait for one another.
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: test demo lint clean

test: .venv/installed
	$(BIN)/python -m pytest

demo: .venv/installed
	$(BIN)/python examples/plot_robust_regression.py

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(BIN):$$PATH" cython-lint sksoftrank

.venv/installed: pyproject.toml setup.py $(wildcard sksoftrank/*.pyx)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	    "sksoftrank needs Python 3.11 or newer; use make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[plot,test,lint]"
	touch $@

clean:
	rm -rf .venv build *.egg-info sksoftrank/*.c sksoftrank/*.so
