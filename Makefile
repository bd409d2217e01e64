# Six verbs. `make demo` and `make test` each do all their own set-up on a machine with Python 3.11, make, gcc and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(VENV)/.bootstrap/bin/uv
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE :=
# One numerical thread a process: two gain nothing on one row and break tails under contention.
export OMP_NUM_THREADS ?= 1

.PHONY: sbom audit release wheel-check help setup setup-dev demo test check bench bench-quality bench-speed generate docs lock clean
help:  ## show the verbs
	@grep -E '^[a-z-]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(UV):
	$(PYTHON) -m venv $(VENV)
	$(PYTHON) -m venv $(VENV)/.bootstrap
	$(VENV)/.bootstrap/bin/python -m pip install -q --disable-pip-version-check uv

$(VENV)/.product: $(UV) requirements.lock pyproject.toml $(wildcard src/neural_hive_ml/csrc/*)
	$(UV) pip install -q --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	$(UV) pip install -q --python $(BIN)/python --no-deps -e .
	touch $@

$(VENV)/.dev: $(VENV)/.product requirements-dev.lock
	$(UV) pip install -q --python $(BIN)/python --compile-bytecode --require-hashes -r requirements-dev.lock
	touch $@

setup: $(VENV)/.product  ## install the product, locked, into .venv
setup-dev: $(VENV)/.dev  ## setup plus every extra and the development tools

demo: setup  ## run the whole loop on real tickets in a few minutes
	$(BIN)/hive-ml demo

check: setup-dev  ## lint, types, layers, module sizes, generated files
	$(BIN)/ruff format --check src tests benchmarks scripts ml_pipelines
	$(BIN)/ruff check src tests benchmarks scripts ml_pipelines
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_module_sizes.py
	$(BIN)/hive-ml generate --check

test: setup-dev check  ## everything: real servers, real browser, the guide end to end
	scripts/install_test_servers.sh
	$(BIN)/pytest -n 2 --dist loadgroup

bench: bench-speed bench-quality  ## all benchmarks
bench-speed: setup-dev
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.features
	$(BIN)/python -m benchmarks.mongo
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks.stream
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.bulk
	$(BIN)/python -m benchmarks.parity
	$(BIN)/python -m benchmarks.backup
	$(BIN)/python -m benchmarks.year
	$(BIN)/python -m benchmarks.faults
	$(BIN)/python -m benchmarks.chaos
	$(BIN)/python -m benchmarks.fuzz
	scripts/install_bench_peers.sh
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.scale
bench-quality: setup-dev
	$(BIN)/python -m benchmarks.quality
	$(BIN)/python -m benchmarks.anomaly
	$(BIN)/python -m benchmarks.duration
	$(BIN)/python -m benchmarks.duration_rows
	$(BIN)/python -m benchmarks.gate
	$(BIN)/python -m benchmarks.drift
	$(BIN)/python -m benchmarks.drift_load
	$(BIN)/python -m benchmarks.load
	$(BIN)/python -m benchmarks.policy
	$(BIN)/python -m benchmarks.rollout

generate: setup-dev  ## rewrite generated files (rules, dashboards, manifests, docs)
	$(BIN)/hive-ml generate

docs: setup-dev  ## build the documentation site
	$(BIN)/mkdocs build --strict

lock: $(UV)  ## resolve the lock files anew
	$(UV) pip compile -q --universal -p 3.11 pyproject.toml -o requirements.lock --no-emit-index-url --generate-hashes --custom-compile-command "make lock"
	$(UV) pip compile -q --universal -p 3.11 requirements-serving.in -c requirements.lock -o requirements-serving.lock --no-emit-index-url --generate-hashes --custom-compile-command "make lock"
	$(UV) pip compile -q --universal -p 3.11 pyproject.toml --all-extras --group dev -c requirements.lock -o requirements-dev.lock --no-emit-index-url --generate-hashes --custom-compile-command "make lock"

sbom: setup-dev  ## bills of materials (CycloneDX) of both locks, in dist/
	mkdir -p dist
	$(BIN)/python scripts/sbom.py requirements.lock > dist/sbom.cdx.json
	$(BIN)/python scripts/sbom.py requirements-serving.lock > dist/sbom-serving.cdx.json

audit: $(UV)  ## known vulnerabilities of what is locked (asks PyPI; fails where it cannot)
	for lock in requirements.lock requirements-serving.lock requirements-dev.lock; do \
		$(UV) tool run pip-audit==2.10.1 --strict --require-hashes --disable-pip -r $$lock || exit 1; done

release: setup-dev audit  ## version, changelog, wheel, bills of materials, tag: make release VERSION=0.2.0
	$(BIN)/python scripts/release.py $(VERSION)

wheel-check: $(UV)  ## the wheel in an empty environment runs the demo
	rm -rf build/wheel-check && $(PYTHON) -m venv build/wheel-check
	$(UV) build -q --wheel -o build/wheel-check/dist .
	$(UV) pip install -q --python build/wheel-check/bin/python build/wheel-check/dist/*.whl
	cd build/wheel-check && env -u PYTHONPATH HIVE_DATA_DIR=$(CURDIR)/build/wheel-check/data bin/hive-ml demo

clean:
	rm -rf $(VENV) .tools .hive .hive-demo build dist site
