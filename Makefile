# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN ?= runs/demo
FRAMES ?= runs/demo-frames

.PHONY: demo demo-frames test test-slow lint clean

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

test: $(VENV)/.installed
	$(BIN)/python -m pytest

test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --level error --pythonpath $(BIN)/python

clean:
	rm -rf $(VENV) runs build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
