# make table5   install, export, time on this machine, write results/table5.csv and print the table
# make test     install and run all that CI runs
# Set PYTHON to use another interpreter than python3 (3.11 or newer).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNS ?= 1000
LAUNCHES ?= 10

.PHONY: install table5 test lint clean
install: $(VENV)/.installed

# pip must not choose versions: an unpinned torch is a download of gigabytes.
$(VENV)/.installed: pyproject.toml constraints.txt asymm_deploy/__init__.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# Exit code 4 is a noisy machine: the rows say so, and the table is written all the same.
table5: install
	$(BIN)/asymm-deploy bench --table 5 --runs $(RUNS) --launches $(LAUNCHES) || [ $$? -eq 4 ]

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest -n 2

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
