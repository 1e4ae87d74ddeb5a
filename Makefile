# Everything is installed into .venv, with the exact versions of requirements.lock, and reused until they change.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test check lint format mutation install lock clean

demo: install  ## Export ResNet-34 as ONNX, prove it equal to the PyTorch module, and say how to load it
	@$(BIN)/python -m archc export resnet34 --onnx

test:  ## Run everything that CI runs: the tests, the linters and the type checkers
	@.ci/run

check: test

lint: install  ## Run the linters and type checkers alone
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy
	$(BIN)/python -m pyright --pythonpath $(BIN)/python

format: install  ## Format, and mend what the linter can mend by itself
	$(BIN)/python -m ruff check --fix
	$(BIN)/python -m ruff format

mutation: install  ## Break shape rules, ONNX lowering and folding in every way, and see the tests notice (minutes)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check mutmut==3.8.1
	@$(BIN)/python -m tests.campaigns.mutation

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	@echo "installing into .venv (a few minutes the first time)" >&2
	@$(PYTHON) -c 'import sys; sys.exit("archc needs Python 3.11 or newer: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q archc exporters  # as pip does for what it copies, whatever the environment says
	@touch $@

lock:  ## Resolve pyproject.toml anew into requirements.lock
	$(PYTHON) -m venv --clear build/lock
	build/lock/bin/python -m pip install --quiet --upgrade pip
	build/lock/bin/python -m pip install --quiet torch==2.13.0 . --group dev
	build/lock/bin/python -m pip uninstall --quiet --yes archc-compiler
	sed -n '/^#/p' requirements.lock > build/requirements.lock
	build/lock/bin/python -m pip list --format freeze --exclude pip \
		| sed 's/+.*//' | tr 'A-Z_' 'a-z-' | LC_ALL=C sort >> build/requirements.lock
	mv build/requirements.lock requirements.lock

clean:  ## Remove what was built and installed
	rm -rf .venv build dist *.egg-info
