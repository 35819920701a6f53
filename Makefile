# `make demo`, `make test` and `make frameworks` set everything up on a fresh checkout. VENV=... puts the environment
# elsewhere.
VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin
READY = $(VENV)/.ready
TRANSFORMERS_4 = $(VENV)/transformers-4

.PHONY: demo test frameworks check docs wheel clean

demo: $(READY)
	$(BIN)/lrrange demo

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --ignore tests/frameworks

# The plug-ins for other frameworks; and the one for transformers once more, with the last version before 5. What imports
# JAX has processes of its own, because JAX cannot be forked, and loaders of PyTorch fork.
WITH_JAX = $(addprefix tests/frameworks/,jax test_signatures.py)

frameworks: $(READY) $(TRANSFORMERS_4)/.ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 tests/frameworks $(addprefix --ignore=,$(WITH_JAX))
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 $(WITH_JAX)
	OMP_NUM_THREADS=1 PYTHONPATH=$(TRANSFORMERS_4) $(BIN)/python -m pytest -n 2 tests/frameworks/transformers

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests/typing/accepted.py tests/typing/refused.py
	$(MAKE) docs

docs: $(READY)
	$(BIN)/sphinx-build -W --keep-going -q -E -j 2 -b html docs docs/_build/html
	$(BIN)/python -m tests.docs.built docs/_build/html

wheel: $(READY)
	PYTHON="$(BIN)/python" bash .ci/test-wheel

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

$(TRANSFORMERS_4)/.ready: $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(TRANSFORMERS_4) \
	  transformers==4.57.6 huggingface_hub==0.36.0 tokenizers==0.22.2 datasets==4.8.4
	touch $@

clean:
	rm -rf $(VENV) build dist docs/_build
