# Everything runs from .venv, made from requirements.lock and made anew when that changes. Nothing else is needed:
# Postgres and Valkey come as wheels.

# The first of these that is Python 3.11 or newer is used; `make serve PYTHON=/opt/python/bin/python3` names one.
PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
# Tests wait for servers as well as compute, hence two processes more than there are cores. `make test WORKERS=0`
# runs them in one, which a debugger needs.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
# Arguments of the target's own command: make serve ARGS="--port 9000", make test ARGS="-k room".
ARGS ?=

# Whatever the environment says: a server that finds no bytecode compiles all of Greenroom before it serves, which takes
# twice as long as all else that a start does, and the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
INSTALLED := .venv/.installed
TYPED := $(addprefix -m ,greenroom greenroom.testing greenroom.sinks greenroom.social greenroom.__main__) $(addprefix -p ,greenroom.config \
	greenroom.store greenroom.actors greenroom.transports greenroom.supervisors bench tests)

.PHONY: help setup wheel serve test bench chaos drill lint types format lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(INSTALLED) ## set up .venv, and nothing else

# With the views that the chat page is made of, the list of sagas, and people with their feeds, unless the environment
# names others, or none. What it says is more than what .env does, so that is asked first.
serve: export GREENROOM_BUILT_IN_VIEWS ?= conversations,messages,rooms,sagas
ifeq ($(shell grep -sE '^ *(export +)?GREENROOM_(ENTITIES|WORK) *=' .env),)
serve: export GREENROOM_ENTITIES ?= greenroom.social
serve: export GREENROOM_WORK ?= social:4,deliver:2
endif
serve: $(INSTALLED) ## run the server, with chat, people and their feeds; ARGS="--port 9000"
	@exec $(BIN)/greenroom serve $(ARGS)

test: $(INSTALLED) ## run every test; ARGS="-k room"
	@exec $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

bench: $(INSTALLED) ## run the benchmarks; ARGS="fanout --seconds 5", otherwise all of them
	@exec $(BIN)/python -m bench $(if $(ARGS),$(ARGS),all)

chaos: $(INSTALLED) ## kill, stall and restart real processes under load; ARGS="--seconds 30 --seed 7"
	@exec $(BIN)/python -m tests.chaos $(ARGS)

drill: $(INSTALLED) ## restart three nodes one after another under load; ARGS="--rounds 2"
	@exec $(BIN)/python -m tests.drill $(ARGS)

lint: $(INSTALLED) ## check style, format and types, as CI does
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory types

types: $(INSTALLED) ## check types alone
	$(BIN)/mypy --strict $(TYPED)

format: $(INSTALLED) ## put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What an earlier build left in build/ would get into the wheel.
wheel: $(INSTALLED) ## build the wheel into dist/, for projects of your own
	@rm -rf build
	@$(BIN)/python -c "from setuptools import build_meta; build_meta.build_wheel('dist')" >/dev/null
	@rm -rf build; ls dist/greenroom-*.whl

lock: ## make requirements.lock anew; ARGS="--upgrade" for newer versions (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --group dev --extra otlp --extra kafka --extra media --output-file requirements.lock \
		$(ARGS) pyproject.toml

clean: ## remove the environment and the caches; the data folder stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info build dist

# The candidates are run, not only looked up: a version manager's shim may be on the path without a Python behind it.
# With neither uv nor ensurepip (Debian without python3-venv) a candidate is of no use either.
$(INSTALLED): requirements.lock pyproject.toml
	@set -e; \
	if command -v uv >/dev/null 2>&1; then uv=yes; needs=""; else uv=""; needs="import ensurepip, venv;"; fi; \
	python=""; \
	for candidate in $(PYTHON); do \
		if $$candidate -c "import sys; assert sys.version_info >= (3, 11); $$needs" >/dev/null 2>&1; \
		then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Greenroom needs Python 3.11 or newer$${needs:+ with its venv module (on Debian: python3-venv)}." >&2; \
		echo "None of these is one: $(PYTHON). Name yours: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	echo "Setting up .venv from requirements.lock; this takes a minute the first time."; \
	if [ -n "$$uv" ]; then \
		$(BIN)/python -c "" 2>/dev/null || uv venv --quiet --clear --python "$$python" .venv; \
		VIRTUAL_ENV=$(CURDIR)/.venv; export VIRTUAL_ENV; \
		uv pip sync --quiet --require-hashes requirements.lock; \
		uv pip install --quiet --no-deps --no-build-isolation --editable .; \
	else \
		$(BIN)/python -m pip --version >/dev/null 2>&1 || $$python -m venv --clear .venv; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .; \
	fi; \
	mkdir -p .venv/typed; ln -sfn ../.. .venv/typed/greenroom; \
	touch $@
