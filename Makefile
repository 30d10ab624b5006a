# Every target does its own setup. `make help` lists the public targets, which have a help text.
.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

comma := ,
space := $() $()

# Every cargo command selects the same packages, so that each dependency is compiled only once.
WORKSPACE := --locked --workspace
BIN := $(or $(CARGO_TARGET_DIR),target)/debug
IMAGE := $(or $(CARGO_TARGET_DIR),target)/image
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml)
ARCHITECTURES ?= amd64 arm64
TAG ?= ghcr.io/oxen-ai/oxen-operator:$(VERSION)
BENCH := $(or $(CARGO_TARGET_DIR),target)/release/bench
CRDS := oxenmodels oxenbudgets
DEMO := $(BIN)/demo --operator $(BIN)/oxen-operator --examples examples --folder .demo

.PHONY: help demo demo-up demo-down test soak fuzz bench bench-large build-bench ci
.PHONY: check check-format check-lints check-docs check-crd check-built-crd
.PHONY: check-kustomize check-workflows
.PHONY: check-model check-model-deep deny
.PHONY: image image-push image-binary check-image dist
.PHONY: crd kustomize docs hub tools test-tools build clean require

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: require tools build ## Run a demo on a local control plane, with the simulated hub
	@$(DEMO) run

demo-up: require tools build ## Start the demo and keep it running for your own kubectl
	@$(DEMO) up

# This does not rebuild the demo, because stopping it must work even if the sources don't compile.
demo-down: require ## Stop the demo that demo-up started
	@[[ -x $(BIN)/demo ]] || cargo build $(WORKSPACE) --bins
	@$(DEMO) down

# Most tests wait far more than they compute, so four of them run at once on any number of cores.
test: require test-tools ## Run all tests, against a real Kubernetes API server
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-4} cargo test $(WORKSPACE)

soak: require tools ## Run random faults for 10 minutes; SEED=7 sets the seed, FOR=60 the seconds
	OXEN_SOAK_SEED=$${SEED:-$$RANDOM} OXEN_SOAK_SECONDS=$${FOR:-600} cargo test --locked --test soak -- --nocapture

# RUSTC_BOOTSTRAP is needed because the stable compiler rejects the flags of the fuzzer.
fuzz: require ## Fuzz the handling of hub responses; FOR=600 sets the seconds for each fuzz target
	@cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
	for target in $(basename $(notdir $(wildcard fuzz/targets/*.rs))); do \
	  mkdir -p fuzz/corpus/$$target; \
	  RUSTC_BOOTSTRAP=1 cargo fuzz run $$target -- -max_total_time=$${FOR:-60} -timeout=10; \
	done

bench: require tools build-bench ## Measure the operator with up to 10,000 objects; ARGS="--scenario 500" runs one
	@$(BENCH) $(ARGS)

bench-large: require tools build-bench ## Measure the operator with 100,000 objects; slow, and needs gigabytes of memory
	@$(BENCH) --scenario 100000 $(ARGS)

build-bench:
	cargo build --locked --release --package bench --package oxen-operator

ci: ## Run everything that a change has to pass
	@bash .ci/run

check: check-format check-lints check-docs check-crd check-kustomize check-workflows ## Check format, lints, rustdoc, generated files and workflows

check-format: require ## Check the format of the code
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check

check-lints: require ## Check the code with clippy
	cargo clippy $(WORKSPACE) --all-targets -- -D warnings
	cargo clippy --locked --manifest-path fuzz/Cargo.toml --target-dir $(or $(CARGO_TARGET_DIR),target) -- -D warnings

check-docs: require ## Check that rustdoc builds without warnings
	RUSTDOCFLAGS="-D warnings" cargo doc $(WORKSPACE) --no-deps

check-crd: require build check-built-crd ## Check that the files in crds/ are up to date

# This is check-crd without the build, for .ci/run.
check-built-crd:
	@for crd in $(CRDS); do \
	  $(BIN)/oxen-operator crd $$crd | diff -u crds/$$crd.yaml - || { echo "error: crds/$$crd.yaml is out of date: run \`make crd\`" >&2; exit 1; }; \
	done

check-kustomize: tools ## Check that kustomize/base is up to date
	@kustomize/render.sh --check

check-workflows: ## Check the workflows of GitHub with actionlint
	@tests/tools/build.sh --actionlint
	@"$$(tests/tools/build.sh --print-actionlint)"

check-model: require ## Check all orders of events with the model checker, within small bounds
	@cargo run --locked --package model

check-model-deep: require ## Run check-model with wider bounds; slow, and needs gigabytes of memory
	@cargo run --locked --package model -- --deep

deny: require ## Check the licenses and sources of the dependencies, and known vulnerabilities
	@tests/tools/deny.sh

image-binary: require ## Build the static program for the image, into target/image
	@image/build.sh $(IMAGE)

check-image: require tools build image-binary ## Test the program of the image in an empty root
	@tests/image/check.sh $(IMAGE)/oxen-operator $(BIN)

IMAGE_ARGUMENTS = \
  --build-arg VERSION=$(VERSION) \
  --build-arg REVISION=$$(git rev-parse HEAD) \
  --build-arg SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
  --tag $(TAG) .

image: ## Build the image with docker; TAG sets its name
	docker build $(IMAGE_ARGUMENTS)

# The file target/image.json has the digest of the image.
image-push: ## Build the image for all ARCHITECTURES with docker buildx, and push it to TAG
	@mkdir -p target
	docker buildx build --push --provenance=mode=max --metadata-file target/image.json \
	  --platform $(subst $(space),$(comma),$(ARCHITECTURES:%=linux/%)) $(IMAGE_ARGUMENTS)

dist: require tools ## Make the files of a release in dist/; ARCHITECTURES="amd64" makes one of the two programs
	@release/dist.sh $(ARCHITECTURES)

crd: require build ## Generate the files in crds/ from the Rust types
	@mkdir -p crds
	@for crd in $(CRDS); do \
	  $(BIN)/oxen-operator crd $$crd >crds/$$crd.yaml.new; \
	  mv crds/$$crd.yaml.new crds/$$crd.yaml; \
	  cp crds/$$crd.yaml charts/oxen-operator/files/$$crd.yaml; \
	  echo "crds/$$crd.yaml is up to date"; \
	done

kustomize: tools ## Generate kustomize/base from the chart
	@kustomize/render.sh

docs: require tools build ## Generate the pages of docs/ and the session in README.md that come from the code
	UPDATE_DOCS=1 cargo test $(WORKSPACE) --test delivery generated_docs
	UPDATE_DOCS=1 cargo test $(WORKSPACE) --bin kubectl-oxen man_page
	UPDATE_DOCS=1 cargo test $(WORKSPACE) --test plugin readme

hub: require build ## Run the simulated hub; ARGS=--help prints its options
	@$(BIN)/hub $(ARGS)

tools: ## Find or build etcd, kube-apiserver, kubectl and helm; all clones share them
	@tests/tools/build.sh

test-tools: ## Find or build all tools, including those that only the tests need
	@tests/tools/build.sh --for-tests

build: require ## Build all programs
	cargo build $(WORKSPACE) --bins

clean: require ## Remove everything that was built in this clone, but keep the tools
	@[[ ! -x $(BIN)/demo ]] || $(DEMO) down
	cargo clean
	rm -rf .demo

require:
	@tests/tools/require.sh
