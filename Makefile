# make digits: the main job on the embedded data. make test: the tests. Both set up what they need.
# make bench: our speed against PyTorch's and faiss', and how it grows; MNIST rows need TFDS_DATA_DIR.
# make scale: search and selection on pools of up to a million images, some 15 minutes; make scale-16m: up to sixteen
# million, under 3 hours, 32 GB of disk, 10 GB of memory. Both need MNIST in TFDS_DATA_DIR and go on where they stopped.
# make results: the paper's figures at small scale, as many of their runs as fit 2 cores in 3 hours (the next call goes
# on), then their drawings and experiments/RESULTS.md; data as README says.
# make map-small: a telling tenth of experiments/where_it_wins, under 10 minutes; make map: all of it, hours.
# make lock: .ci/requirements-3.x.txt, all releases with the hashes of their files, for the Python of PYTHON; keeps what
# is pinned (delete the file to take what is newest). make audit: asks an advisory database about them. LOCK=FILE
# installs what such a file says and nothing else, each file checked by its hash: as CI does.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
LOCK ?=
RUN_FROM = $(if $(LOCK),--require-hashes --requirement $(LOCK),--requirement requirements.txt)
TEST_FROM = $(if $(LOCK),--no-deps --no-build-isolation --editable .,--editable '.[test]')
OF_PYTHON = .ci/requirements-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt

.PHONY: digits test lint types bench results scale scale-16m map map-small lock audit clean

$(BIN)/installed: requirements.txt $(LOCK)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(RUN_FROM)
	touch $@

$(BIN)/installed-test: $(BIN)/installed pyproject.toml
	$(BIN)/pip install --quiet $(TEST_FROM)
	touch $@

digits: $(BIN)/installed
	$(BIN)/python -m asal_jax.main --config=configs/digits.py --workdir=runs/digits

test: $(BIN)/installed-test
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder

lint: $(BIN)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/installed-test
	$(BIN)/pyrefly check

bench: $(BIN)/installed
	$(BIN)/pip install --quiet --editable '.[bench]'
	$(BIN)/python -m experiments.speed.bench
	$(BIN)/python -m experiments.speed.bench --precision=bfloat16
	$(BIN)/python -m experiments.speed.growth

results: $(BIN)/installed
	-$(BIN)/python -m experiments.paper run --scale=small --again --hours=3
	$(BIN)/python -m experiments.paper plot
	$(BIN)/python -m experiments.paper results

scale: MOST = 1000000
scale-16m: MOST = 16000000
scale scale-16m: $(BIN)/installed
	$(BIN)/pip install --quiet --editable '.[faiss]'
	$(BIN)/python -m experiments.search.measure --most=$(MOST)
	$(BIN)/python -m experiments.selection_time.measure --most=$(MOST)
	$(BIN)/python -m experiments.search.figures
	$(BIN)/python -m experiments.selection_time.figures

map-small: $(BIN)/installed
	$(BIN)/python -m experiments.where_it_wins.measure --small --to=runs/map/small.jsonl
	$(BIN)/python -m experiments.where_it_wins.figures runs/map/small.jsonl runs/map

map: $(BIN)/installed
	$(BIN)/python -m experiments.where_it_wins.measure
	$(BIN)/python -m experiments.where_it_wins.figures

# Without what this machine's pip is told: files of an index beside the public one have hashes that nobody else can serve.
lock: export PIP_CONFIG_FILE = /dev/null
lock: export PIP_FIND_LINKS =
lock: export PIP_EXTRA_INDEX_URL =
lock:
	$(PYTHON) -m venv --clear $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet pip-tools==7.6.2
	$(VENV)-lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --extra test --build-deps-for editable \
	  --output-file $(OF_PYTHON) pyproject.toml

audit:
	$(PYTHON) -m venv --clear $(VENV)-audit
	$(VENV)-audit/bin/pip install --quiet pip-audit==2.10.1
	$(VENV)-audit/bin/pip-audit --strict --disable-pip --requirement $(OF_PYTHON)

clean:
	rm -rf $(VENV) runs
