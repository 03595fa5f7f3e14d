# make digits: the main job on the embedded data. make test: the tests. Both set up what they need.
# make bench: our speed against PyTorch's and faiss', and how it grows; MNIST rows need TFDS_DATA_DIR.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: digits test lint types bench clean

$(BIN)/installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --requirement requirements.txt
	touch $@

$(BIN)/installed-test: $(BIN)/installed pyproject.toml
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@

digits: $(BIN)/installed
	$(BIN)/python -m asal_jax.main --config=configs/digits.py --workdir=runs/digits

test: $(BIN)/installed-test
	$(BIN)/python -m pytest

lint: $(BIN)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/installed-test
	$(BIN)/pyrefly check

bench: $(BIN)/installed
	$(BIN)/pip install --quiet --editable '.[bench]'
	$(BIN)/python -m experiments.speed.bench
	$(BIN)/python -m experiments.speed.growth

clean:
	rm -rf $(VENV) runs
