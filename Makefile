# Everything a newcomer or CI needs. `make` alone prints this list.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PARTS  := transports core worker beat

# pyenv hides its interpreters behind shims that refuse all but one: show tox the real ones.
PYENV_BINS := $(subst $(eval) ,,$(foreach bin,$(wildcard $(HOME)/.pyenv/versions/3.1[1-9].*/bin),$(bin):))
TOX := PATH="$(PYENV_BINS)$$PATH" $(BIN)/tox

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install demo test check bench docs clean

help:  ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/cicely: $(PARTS:%=%/pyproject.toml) pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q "setuptools>=77"
	$(BIN)/python -m pip install -q --no-build-isolation $(PARTS:%=-e ./%)
	@touch $@

install: $(BIN)/cicely  ## Make .venv with the four parts in editable mode

demo: install  ## Count the standard library with a worker on the embedded broker, and check the answer
	@$(BIN)/python examples/census/demo.py

$(BIN)/tox: $(BIN)/cicely
	$(BIN)/python -m pip install -q tox
	@touch $@

test: $(BIN)/tox  ## Run everything that CI runs: tests on 3 Pythons, lint, types, layers, build
	$(TOX) run --skip-missing-interpreters=$(if $(CI),false,true)

check: $(BIN)/tox  ## Run lint, types and the tests on one Python
	$(TOX) run -e lint,types,py311

bench: install  ## Measure enqueue, drain and latency on SQLite
	$(BIN)/python -m benchmarks

docs: install  ## Write the generated pages of docs/
	$(BIN)/python -m cicely.settings.docs docs/settings.md

clean:  ## Remove what the other targets made
	rm -rf $(VENV) .tox build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name '*.egg-info' -type d -prune -exec rm -rf {} +
