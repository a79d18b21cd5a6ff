# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# make demo: a simulated robot is asked where things are      make test: lint, types, all tests
# make docs: the documentation as a site, strictly, in build/site (DOCS=serve: shown while you write)
# make setup: only the environment and the build (each of the others does it first)
# make lint, make bench, make clean
# make test PYTEST_ARGS="test/unit -k camera"; in one process, to see output or debug: PYTEST_ARGS="-n 0 -s"
# PYTHON=python3.11 chooses the interpreter; TORCH_INDEX_URL=... the pip index that torch comes from

PYTHON ?= python3
PYTEST_ARGS ?=
DOCS ?= build

.PHONY: setup demo test lint docs bench clean

setup:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 8))' || \
	  { echo "setup: '$(PYTHON)' is no Python 3.8 or newer (make PYTHON=/path/to/python3.11)"; exit 1; }
	@$(PYTHON) tools/setup.py

demo: setup
	@tools/run --isolated python -m spatialgeo_ros.robot_sim.demo $(DEMO_ARGS)

lint: setup
	@tools/run ruff check .
	@tools/run ruff format --check .
	@tools/run mypy

# The tests run also where lint has found something; either fails the target. A process each core,
# up to four, as each holds PyTorch; one that has no test left takes over half of another's.
test: setup
	@status=0; $(MAKE) --no-print-directory lint || status=1; \
	SPATIALGEO_REQUIRE_ROS=1 tools/run python -m pytest \
	  -n logical --maxprocesses 4 --dist worksteal $(PYTEST_ARGS) || status=1; exit $$status

docs: setup
	@NO_MKDOCS_2_WARNING=1 tools/run mkdocs $(DOCS) --strict

bench: setup
	@tools/run --isolated python -m bench $(BENCH_ARGS)

clean:
	rm -rf .venv build install log .mypy_cache .pytest_cache .ruff_cache
