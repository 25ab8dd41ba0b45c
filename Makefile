# Each target sets up what it needs in a virtual environment of its own; nothing else is touched.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check bounds bench reproduce clean

demo: $(VENV)/demo.stamp  ## the main job on the bundled MovieLens sample, with a report in runs/demo
	$(BIN)/recneg compare --data sample --threads 1 --out runs/demo

test: $(VENV)/dev.stamp  ## every quick test, README and docs examples included
	$(BIN)/python -m pytest -q

check: $(VENV)/dev.stamp  ## style, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bounds: $(VENV)/dev.stamp  ## the kernels' tests with every array access checked
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(VENV)/numba-boundscheck $(BIN)/python -m pytest -q tests/samplers tests/models tests/training tests/evaluation tests/retrieval tests/propensity tests/noise tests/losses tests/test_interactions.py tests/test_csr.py tests/test_keys.py tests/test_quickselect.py tests/test_simulation.py

bench: $(VENV)/bench.stamp  ## long: speed, memory and growth, beside implicit, Cornac, LensKit and torch
	$(BIN)/python benchmarks/sampling.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/curves.py
	$(BIN)/python benchmarks/many_negatives.py
	$(BIN)/python benchmarks/ranking.py
	$(BIN)/python benchmarks/cold_start.py
	$(BIN)/python benchmarks/growth.py

reproduce: $(VENV)/bench.stamp  ## very long: published systems, sessions, debiasing, all samplers, quality (set RECNEG_DATA)
	$(BIN)/python -m pytest -q -m slow
	$(BIN)/python benchmarks/reproductions.py
	$(BIN)/python benchmarks/sessions.py orderings
	$(BIN)/python benchmarks/sessions.py headline
	$(BIN)/python benchmarks/sessions.py movielens
	$(BIN)/python benchmarks/debiasing.py coat
	$(BIN)/python benchmarks/debiasing.py semi-synthetic
	$(BIN)/python benchmarks/landscape.py
	$(BIN)/python benchmarks/quality.py

clean:
	rm -rf $(VENV) runs

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[report]'
	touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[dev]'
	touch $@

$(VENV)/bench.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[dev,peers]'
	touch $@
