# `make demo` and `make test` need Python 3.10 or newer and pip; everything else they install into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SPEECH ?= examples/speech.flac

.PHONY: help demo test lint types imports docs check clean

help: ## List the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  \1\t\2/'

$(STAMP): requirements-dev.txt pyproject.toml $(wildcard plugins/*/pyproject.toml examples/*/pyproject.toml)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $(STAMP)

demo: $(STAMP) ## Turn real speech into a mel spectrogram and back into speech
	@mkdir -p demo
	$(BIN)/ossicle mel $(SPEECH) -o demo/speech.safetensors --force
	$(BIN)/ossicle vocode demo/speech.safetensors -o demo/speech.wav --force
	@echo "wrote demo/speech.wav (from $(SPEECH))"

# One thread a worker: two workers with two threads each would only wait for each other.
test: $(STAMP) $(VENV)/.compiled ## Run all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

# numba writes its cache without a lock; what librosa compiles at first use is compiled before two workers do so at once.
$(VENV)/.compiled: $(STAMP)
	$(BIN)/python -c "import librosa, numpy; librosa.pyin(numpy.sin(numpy.arange(8192) / 9), fmin=65, fmax=2000, sr=8000)"
	@touch $@

lint: $(STAMP) ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## Check types
	$(BIN)/mypy

imports: $(STAMP) ## Check that no arrow points up
	$(BIN)/lint-imports

docs: $(STAMP) $(VENV)/.docs ## Build the documentation site into site/; a broken link is an error
	OMP_NUM_THREADS=1 $(BIN)/python docs/_tools/site_build.py site

$(VENV)/.docs: requirements-docs.txt $(STAMP)
	$(BIN)/python -m pip install --quiet -r requirements-docs.txt
	@touch $@

check: lint types imports test ## Everything that CI runs

clean: ## Remove the environment and what was made
	rm -rf $(VENV) demo site .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
