# make run: everything on data/. make test: the tests that say at once whether it works. No other step. `make` also puts `eduflow` into .venv/bin.
# "$(BIN)" is quoted throughout: the folder it is in may hold blanks.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
ready := .venv/.ready
TOOLS := .venv/tools
tools := .venv/tools/.ready
INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes
LOCK := "$(TOOLS)/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock"
QUERY ?= select * from analytics.review_queue
unexport QUERY
export SQL := $(value QUERY)# as it was given: make would take $5 and $(x) for its own

.PHONY: run test test-all test-faults test-mutants plan ui sql bench bench-peers bench-scale ddl docs lint lock audit pin clean help
.DEFAULT_GOAL := help

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

$(ready): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { echo "EduFlow needs Python 3.11 to 3.13: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x "$(BIN)/python" || $(PYTHON) -m venv .venv || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "installing requirements.lock into .venv"
	@"$(BIN)/python" $(INSTALL) -r requirements.lock
	@"$(BIN)/python" .ci/into-venv
	@touch $@

$(tools): .ci/tools.lock
	@$(PYTHON) -m venv "$(TOOLS)" && "$(TOOLS)/bin/python" $(INSTALL) -r .ci/tools.lock && touch $@

run: $(ready) ## build everything from data/ (embedded PostgreSQL, or EDUFLOW_DATABASE)
	@"$(BIN)/python" -m pipeline run

test: $(ready) ## unit tests, a case per table, one whole run, the README (2 to 4 minutes)
	@"$(BIN)/python" -m pytest

test-all: $(ready) ## the integration tests, which make test leaves out (15 to 20 minutes)
	@"$(BIN)/python" -m pytest -m "integration and not faults"

test-faults: $(ready) ## the long tests: stopped at every point, killed at random, every change, thousands of damaged files
	@"$(BIN)/python" -m pytest -m faults

test-mutants: $(ready) ## bring back ways to lose data, leave declarations out, one by one, and see that the tests notice
	@"$(BIN)/python" -m tests.mutants.run

plan: $(ready) ## what would run, and why
	@"$(BIN)/python" -m pipeline plan

ui: $(ready) ## the scheduler and its page, for runs with --scheduler ui (stop with Ctrl-C)
	@"$(BIN)/python" -m pipeline ui

sql: $(ready) ## a query: make sql QUERY="select * from warehouse.dim_students"
	@"$(BIN)/python" -m pipeline sql "$$SQL"

bench: $(ready) ## speed and memory, as ratios to a bare COPY
	@"$(BIN)/python" -m bench.run && "$(BIN)/python" -m bench.tickets && "$(BIN)/python" -m bench.llm

bench-peers: $(ready) ## the same file with dlt and row by row, side by side: docs/peers.svg
	@"$(BIN)/python" $(INSTALL) -r bench/requirements.lock
	@"$(BIN)/python" -m bench.peers

bench-scale: $(ready) ## how the cost grows with the rows, and with sixty days of 1 %: docs/scale.svg
	@"$(BIN)/python" -m bench.scale

ddl: $(ready) ## the DDL, views and facts that the declarations in pipeline/datasets make
	@"$(BIN)/python" -m pipeline.ddl

docs: $(ready) ## docs/data-dictionary.md: every table and column, and the picture of what is made from what
	@"$(BIN)/python" -m pipeline dictionary

lint: $(ready) ## ruff and mypy
	@"$(BIN)/ruff" check . && "$(BIN)/ruff" format --check . && "$(BIN)/mypy"

lock: $(tools) ## requirements.lock anew from requirements.txt: every package with its hashes, for Python 3.11 to 3.13
	@$(LOCK) requirements.txt -o requirements.lock
	@$(LOCK) bench/requirements.txt -c requirements.lock -o bench/requirements.lock
	@$(LOCK) .ci/tools.txt -o .ci/tools.lock

audit: $(tools) ## compare requirements.lock with the known vulnerabilities (needs the network)
	@"$(TOOLS)/bin/pip-audit" -r requirements.lock --require-hashes --disable-pip --progress-spinner off -f json 2>/dev/null | $(PYTHON) .ci/audited

pin: ## fill in the digests of the container images (needs docker and the network)
	@$(PYTHON) .ci/pin

clean: ## remove .venv, caches and output; the database and all decisions stay (eduflow purge removes them)
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis bench/out
	find output -mindepth 1 ! -name README.md -delete
