# `make demo` and `make test` set everything up on a fresh machine. Variables: PYTHON, SECONDS, PIP_FLAGS, VENV.

PYTHON ?= python3
VENV ?= .venv
PIP_FLAGS ?=
SECONDS ?= 90
DATA ?= digits
OUT ?= runs/demo

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(PIP_FLAGS)

.PHONY: help demo test lint format wheel clean

help:
	@echo "make demo     train on the built-in digits for $(SECONDS) s, sample, evaluate, write a report"
	@echo "make test     lint, then all tests"
	@echo "make lint     ruff and mypy"
	@echo "make format   let ruff put the code in order"
	@echo "make wheel    build the wheel into dist/"
	@echo "make clean    remove what was built here; runs/ stays"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Gantlet needs Python 3.10 or later; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch comes first and alone, so that its pinned version decides what else is fetched
$(VENV)/gantlet.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) torch
	$(PIP) -e .
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) torch
	$(PIP) -e '.[dev]'
	@touch $(VENV)/gantlet.stamp $@

demo: $(VENV)/gantlet.stamp
	$(BIN)/gantlet train --data $(DATA) --out $(OUT) --seconds $(SECONDS)
	$(BIN)/gantlet sample $(OUT) --num 100 --out $(OUT)/grid.png
	$(BIN)/gantlet evaluate $(OUT) --data $(DATA)
	$(BIN)/gantlet report $(OUT)
	@echo
	@echo "A picture of 100 samples   $(OUT)/grid.png"
	@echo "Pictures, curves, numbers  $(OUT)/report.html"
	@echo "The model                  $(OUT)/checkpoints"
	@echo
	@echo "The model in three lines of Python ($(BIN)/python):"
	@echo "    import gantlet"
	@echo "    model = gantlet.load('$(OUT)')"
	@echo "    pictures = model.sample(16, seed=0)  # [16, C, H, W] float32 in [-1, 1]"

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# one process for each core, at most four; a file stays with one process, for its fixtures
test: lint
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(VENV)/dev.stamp
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +
