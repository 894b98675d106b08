# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN ?= runs/demo
FRAMES ?= runs/demo-frames

.PHONY: demo demo-frames test test-thorough test-slow test-backends test-contracts test-page page matrix docs lint clean

# Installed once, and again when what is to be installed changes.
$(VENV)/.installed: setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

demo: $(VENV)/.installed
	rm -rf $(RUN)
	$(BIN)/reverie train --config=xcov_demo --workdir=$(RUN)
	$(BIN)/reverie evaluate --workdir=$(RUN)
	$(BIN)/reverie export --workdir=$(RUN)
	$(BIN)/reverie encode --model=$(RUN)/export/xcov/1 --source=mnist_sample --split=test --out=$(RUN)/codes.npz
	$(BIN)/reverie encode --model=$(RUN)/export/xcov/1/lite/encode_int8.tflite --source=mnist_sample --split=test --out=$(RUN)/codes_int8.npz
	$(BIN)/reverie generate --model=$(RUN)/export/xcov/1 --label=0,1,2,3,4,5,6,7,8,9 --out=$(RUN)/imagined.png
	@echo "open $(RUN)/report.html (numbers, curves, pictures) and $(RUN)/imagined.png"

# Frames from videos drawn on the spot (a few of them broken), a small sparse autoencoder on them, its report.
demo-frames: $(VENV)/.installed
	rm -rf $(FRAMES)
	$(BIN)/python benchmarks/draw_clips.py $(FRAMES)/clips
	$(BIN)/reverie data frames --videos='$(FRAMES)/clips/*.mp4' --out=$(FRAMES)/frames --size=64 --frames_per_video=10
	$(BIN)/reverie data verify $(FRAMES)/frames
	$(BIN)/reverie train --config=sparse_demo --config.data.source=frames:$(FRAMES)/frames --workdir=$(FRAMES)/run
	$(BIN)/reverie evaluate --workdir=$(FRAMES)/run
	$(BIN)/reverie export --workdir=$(FRAMES)/run
	@echo "open $(FRAMES)/run/report.html (numbers, curves, filters)"

# Two tests at a time: what takes their time is the making of graphs, which knows no second core.
test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2

# What takes tens of seconds each; with `make test` it is what .ci/run runs.
test-thorough: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 -m thorough

test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 -m 'slow or thorough'

# The layers written in keras.ops alone, on JAX and PyTorch, in an environment that has no TensorFlow.
$(VENV)-backends/.installed: Makefile
	$(PYTHON) -m venv $(VENV)-backends
	$(VENV)-backends/bin/python -m pip install --quiet --disable-pip-version-check \
		"keras>=3.15.1,<3.16" "jax>=0.5" "torch==2.13.0" numpy
	touch $@

BACKENDS := REVERIE_BACKENDS_PYTHON=$(abspath $(VENV)-backends/bin/python)

test-backends: $(VENV)/.installed $(VENV)-backends/.installed
	$(BACKENDS) $(BIN)/python -m pytest tests/contracts/test_backends.py

# The code of the page that `reverie explore` writes: fetched by npm and built, once for each version.
page: $(VENV)/.installed
	$(BIN)/reverie explore --build

# That page in a browser; Chromium is the machine's own.
test-page: page
	npm ci --prefix tests/browser
	$(BIN)/python -m pytest -m slow tests/browser

# The contracts in full, slow cases and other backends included.
test-contracts: $(VENV)/.installed $(VENV)-backends/.installed
	$(BACKENDS) $(BIN)/python -m pytest -n 2 -m '' tests/contracts

# docs/contract_matrix.md, as that run has it.
matrix:
	REVERIE_MATRIX=docs/contract_matrix.md $(MAKE) test-contracts

# The documents as a site, in site/, with tools of its own that know nothing of TensorFlow; a warning ends it.
$(VENV)-docs/.installed: Makefile
	$(PYTHON) -m venv $(VENV)-docs
	$(VENV)-docs/bin/python -m pip install --quiet --disable-pip-version-check \
		"mkdocs>=1.6,<2" "mkdocs-material>=9.7,<10" "mkdocstrings>=1,<2" "mkdocstrings-python>=2,<3" "ruff>=0.6"
	touch $@

docs: $(VENV)-docs/.installed
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build --strict --quiet
	@echo "open site/index.html"

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --level error --pythonpath $(BIN)/python

clean:
	rm -rf $(VENV) $(VENV)-backends $(VENV)-docs runs site build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
