# All targets use .venv, which is installed from the lock files. Nothing outside this folder is changed, except by targets
# that need `parts`: as root they install Debian packages, once per machine; a control plane, Helm and the Prometheus
# histories of tests are kept in the user's cache.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo sandbox test test-unit test-e2e test-image test-flood test-flood-memory test-flood-time test-newer compiled sbom dist coverage durations parts bench-webhook bench-admission bench-isolation bench-cycle bench-providers bench-profile bench-dashboard bench-pods bench-derivation bench-accuracy fuzz lint audit docs references pictures format manifests demo-history lock clean

help:  ## List the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: .venv/runtime.stamp  ## Run the main job without a cluster, in under 90 seconds
	@$(BIN)/python -m app demo

sandbox: .venv/dev.stamp parts  ## Start a real control plane and Prometheus, with the product installed by Helm
	@$(BIN)/python -m tests.sandbox

# Each worker takes whole files, the longest first, and starts a control plane of its own when a test needs one.
# Two cores have work for three of them: one often waits for a cluster or a time-out.
WORKERS ?= 3
PYTEST := $(BIN)/python -m pytest
PARALLEL = -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(if $(ORDER),--file-order=$(ORDER))
HELM_4 := $(BIN)/python -c 'from tests.parts.locate import Part, require; print(require(Part.HELM_4))'
UNIT := -m "not prometheus and not chart and not cluster and not browser"
WITH_COVERAGE := --cov --cov-report=term:skip-covered
# Workers and programs under test start in half the time where compiled modules are kept.
unexport PYTHONDONTWRITEBYTECODE

test: .venv/dev.stamp parts  ## Run all tests: unit, property, Prometheus, chart and end-to-end; COVERAGE=1 checks its floor
	@$(PYTEST) $(PARALLEL) $(if $(COVERAGE),$(WITH_COVERAGE))

test-unit: .venv/dev.stamp  ## Run the tests that need no other program
	@$(PYTEST) $(PARALLEL) $(UNIT)

coverage: .venv/dev.stamp  ## Run the unit tests with branch coverage, and check its floor
	@$(PYTEST) $(PARALLEL) $(UNIT) $(WITH_COVERAGE)

durations: .venv/dev.stamp parts  ## Measure the duration of each test file: tests/durations.json
	@$(PYTEST) $(PARALLEL) --renew-durations

test-e2e: .venv/dev.stamp parts  ## Run only the end-to-end tests
	@$(PYTEST) $(PARALLEL) tests/e2e

# The second lane: tests that take a minute or more. Floods measure time, so nothing runs beside those of the webhook.
test-image: .venv/dev.stamp .venv/supply-chain.stamp .venv/build.stamp parts  ## Build the image (as root on Debian), and run the product and its unit tests in it
	@$(PYTEST) -m image

test-flood: test-flood-memory test-flood-time  ## Run the floods: many connections, large bodies, hostile answers

# -rP prints what passed tests measured. Only the floods of the webhook measure time.
test-flood-memory: .venv/dev.stamp parts
	@$(PYTEST) -m flood -rP -n 2 --dist load --ignore=tests/floods

test-flood-time: .venv/dev.stamp parts
	@$(PYTEST) -m flood -rP tests/floods

# Everything that asks Prometheus, on Prometheus 3.5 and etcd 3.5; histories are written by promtool as before.
test-newer: .venv/dev.stamp parts  ## Run the tests of data sources on Prometheus and etcd of a newer Debian
	@newer="$$($(BIN)/python -m tests.parts.newer_debian)" && PATH="$$newer:$$PATH" \
	  && prometheus --version 2>&1 | head -1 && etcd --version | head -1 \
	  && $(PYTEST) $(PARALLEL) -m prometheus tests/sources tests/profiler tests/cluster

parts: .venv/dev.stamp
	@$(BIN)/python -m tests.parts

bench-webhook: .venv/dev.stamp parts  ## Measure the webhook's throughput beside a bare server's
	@$(BIN)/python -m benchmarks.webhook

bench-admission: .venv/dev.stamp parts  ## Measure the time that the webhook adds to the creation of a Pod
	@$(BIN)/python -m benchmarks.admission

bench-isolation: .venv/dev.stamp parts  ## Measure the webhook's tail latency while thousands of profiles change
	@$(BIN)/python -m benchmarks.isolation

bench-cycle: .venv/dev.stamp parts  ## Measure a cycle's load on Prometheus, and its time beside curl's
	@$(BIN)/python -m benchmarks.cycle

bench-providers: .venv/dev.stamp parts  ## Measure queries, time and memory of connections from each provider beside Linkerd's
	@$(BIN)/python -m benchmarks.providers

bench-profile: .venv/dev.stamp parts  ## Measure `job-profiler profile` beside curl, and beside KRR="PYTHON KRR.PY"
	@$(BIN)/python -m benchmarks.profile_command

bench-dashboard: .venv/dev.stamp parts  ## Measure the page over the profiles of 5,000 workloads, in Chromium
	@$(BIN)/python -m benchmarks.dashboard

bench-pods: .venv/dev.stamp parts  ## Measure memory and writes of the profiler for 150,000 Pods
	@$(BIN)/python -m benchmarks.cycle_pods

bench-derivation: .venv/dev.stamp  ## Measure one step and the derivation of all values for 10,000 workloads
	@$(BIN)/python -m benchmarks.derivation

bench-accuracy: .venv/dev.stamp  ## Score every policy on sets of usage, beside limits: HISTORIES="A.npz B.npz" [TUNING=1]
	@$(BIN)/python -m benchmarks.accuracy $(if $(TUNING),--tuning) $(HISTORIES) $(HISTORY)

fuzz: .venv/dev.stamp  ## Send 200,000 mutated reviews to the webhook; SEED=n and REVIEWS=n change the run
	@$(BIN)/python -m benchmarks.fuzz $(if $(SEED),--seed $(SEED)) $(if $(REVIEWS),--reviews $(REVIEWS))

lint: .venv/dev.stamp  ## Check style, types and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

CHECKOV := .venv/audit/bin/checkov --config-file .ci/checkov.yaml

# Everything that is shipped, builds it or tests it; requirements.lock is a part of the first and the last.
AUDITED := requirements-aws.lock requirements-build.lock requirements-dev.lock
# `make audit ALLOW_UNAUDITED=1` succeeds where the database of vulnerabilities can't be reached; the line NOT AUDITED stays.
ALLOW_UNAUDITED ?=

audit: .venv/audit.stamp .venv/supply-chain.stamp  ## Find insecure settings and calls, and known vulnerabilities of the locked packages
	@$(CHECKOV) --framework kubernetes --directory tests/chart/snapshots
	@$(CHECKOV) --framework kubernetes --directory webhook-config
	@$(CHECKOV) --framework dockerfile --file Dockerfile
	@.venv/audit/bin/bandit --quiet --recursive --configfile .ci/bandit.yaml app
	@.venv/supply-chain/bin/python -m supply_chain.vulnerabilities $(if $(ALLOW_UNAUDITED),--allow-unaudited) $(AUDITED)

references: .venv/dev.stamp  ## Write the references of commands, settings, metrics, custom resources and chart values
	@$(BIN)/python -m docs.references

docs: .venv/docs.stamp  ## Build the documentation strictly, with MkDocs Material and with Zensical: dist/site
	@.venv/docs/bin/python -m docs.build

pictures: .venv/dev.stamp parts  ## Take the pictures of the page for README and documentation, in Chromium
	@$(BIN)/python -m tests.dashboard.screenshots docs/pages/images --documentation

# The root file system of an image; without it the image is built here, as root on Debian. From another engine:
# docker export $(docker create IMAGE) | tar --extract --directory FOLDER
IMAGE_ROOT ?=

sbom: .venv/runtime.stamp .venv/supply-chain.stamp $(if $(IMAGE_ROOT),,.venv/dev.stamp parts)  ## Write the bills of materials of wheel and image to dist/: IMAGE_ROOT=FOLDER
	@root="$(if $(IMAGE_ROOT),$(IMAGE_ROOT),$$($(BIN)/python -m tests.image))" \
	  && .venv/supply-chain/bin/python -m supply_chain.sbom dist --image-root "$$root"

# The image from another engine: IMAGE_ROOT as above, and IMAGE_LAYOUT with its OCI layout (skopeo copy ... oci:FOLDER).
IMAGE_LAYOUT ?=
BUILD_IMAGE = $(BIN)/python -m tests.image --layout "$$layout"

# Nothing is published.
dist: .venv/build.stamp .venv/supply-chain.stamp .venv/dev.stamp parts  ## Write wheel, sdist, chart, manifests, image, bills of materials and checksums to dist/
	@work="$$(mktemp --directory)" && trap 'rm -rf "$$work"' EXIT && layout="$(or $(IMAGE_LAYOUT),$$work)" \
	  && root="$(if $(IMAGE_LAYOUT),$(IMAGE_ROOT),$$($(BUILD_IMAGE)))" \
	  && .venv/supply-chain/bin/python -m supply_chain.dist dist --builder .venv/build/bin/python \
	    --helm "$$($(HELM_4))" --image-layout "$$layout" --image-root "$$root"

format: .venv/dev.stamp  ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

manifests: .venv/dev.stamp parts  ## Copy crds/ into the chart and render webhook-config/
	@$(BIN)/python charts/render.py --helm "$$($(HELM_4))"

demo-history: .venv/dev.stamp  ## Write the demo's history file
	@$(BIN)/python -m tests.histories.emojivoto --npz app/demo/emojivoto.npz

LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-header --no-annotate

lock:  ## Pin the newest versions allowed by pyproject.toml (needs uv)
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml --extra aws -o requirements-aws.lock
	$(LOCK) pyproject.toml --extra aws --extra dashboard --group dev -o requirements-dev.lock
	$(LOCK) --group pyproject.toml:docs -o requirements-docs.lock
	$(LOCK) --group pyproject.toml:build -o requirements-build.lock
	$(LOCK) --group pyproject.toml:audit -o requirements-audit.lock
	$(LOCK) --group pyproject.toml:supply-chain -o requirements-supply-chain.lock

clean:  ## Remove the virtual environment
	rm -rf .venv

.venv/runtime.stamp: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: set PYTHON=...")'
	@echo "Setting up .venv ..."
	@$(PYTHON) -m venv .venv
	@$(PIP) install --no-compile --require-hashes -r requirements.lock
	@touch $@

.venv/dev.stamp: requirements-dev.lock .venv/runtime.stamp
	@$(PIP) install --no-compile --require-hashes -r requirements-dev.lock
	@touch $@

# One process compiles the modules that each worker imports, before they all do. What can't be imported fails the tests.
compiled: .venv/dev.stamp
	@$(PYTEST) --collect-only -q >/dev/null || true

.venv/build.stamp: requirements-build.lock .venv/runtime.stamp
	@$(PYTHON) -m venv .venv/build
	@.venv/build/bin/python -m pip --disable-pip-version-check --quiet install --no-compile --require-hashes -r $<
	@touch $@

.venv/supply-chain.stamp: requirements-supply-chain.lock .venv/runtime.stamp
	@$(PYTHON) -m venv .venv/supply-chain
	@.venv/supply-chain/bin/python -m pip --disable-pip-version-check --quiet install --no-compile --require-hashes -r $<
	@touch $@

.venv/audit.stamp: requirements-audit.lock .venv/runtime.stamp
	@$(PYTHON) -m venv .venv/audit
	@.venv/audit/bin/python -m pip --disable-pip-version-check --quiet install --no-compile --require-hashes -r $<
	@touch $@

.venv/docs.stamp: requirements-docs.lock .venv/runtime.stamp
	@$(PYTHON) -m venv .venv/docs
	@.venv/docs/bin/python -m pip --disable-pip-version-check --quiet install --no-compile --require-hashes -r $<
	@touch $@
