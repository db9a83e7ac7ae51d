# Every target makes its own environment first: on a fresh machine, `make demo` is enough.
# PYTHON is the interpreter that makes .venv; it must be 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo test test-all test-lowest test-newest fuzz faults check format bench clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ctrkit needs Python 3.11 or newer, got " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

demo: $(STAMP)  ## generate a Criteo-format log, train EulerNet, distil a DAGFM, show how good they are
	$(BIN)/ctrkit demo --out demo

test: $(STAMP)  ## run the test suite (without the slow tests)
	$(BIN)/python -m pytest

test-all: $(STAMP)  ## run the slow tests as well, and see that they reach 95 % of all branches
	$(BIN)/python -m pytest -m 'slow or not slow' --cov=ctrkit --cov-branch --cov-fail-under=95

# Environments of their own, and without linters; PYTHON must have wheels of the lowest versions,
# as 3.11 has. On Linux the registry's torch brings the libraries of CUDA, some GB.
test-lowest:  ## run the test suite with the lowest supported versions
	test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet --constraint constraints-lowest.txt --editable '.[test]'
	.venv-lowest/bin/python -m pytest

test-newest:  ## run the test suite with the newest versions there are
	test -x .venv-newest/bin/python || $(PYTHON) -m venv .venv-newest
	.venv-newest/bin/pip install --quiet --upgrade --upgrade-strategy eager --editable '.[test]'
	.venv-newest/bin/python -m pytest

fuzz: $(STAMP)  ## try 10,000 wrong inputs for every reader and loader (about three hours)
	$(BIN)/python -m pytest tests/fuzz -m 'slow or not slow' --fuzz 10000

check: $(STAMP)  ## ruff, mypy --strict, and the docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_text.py tests/test_imports.py

format: $(STAMP)  ## let ruff put the code in form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

faults: $(STAMP)  ## kill every command 50 times, check that it resumes (half an hour to two), for docs/development/robustness.md
	$(BIN)/python tests/faults

bench: $(STAMP)  ## measure speed and memory (about an hour), and write docs/development/performance.md
	$(BIN)/python -m benchmarks all

clean:  ## remove what was built
	rm -rf $(VENV) .venv-lowest .venv-newest build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis demo
