# Every command does its own set-up. `make help` lists them.
.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# One selection of packages for all that is built, so that each dependency is compiled once.
WORKSPACE := --locked --workspace
BIN := $(or $(CARGO_TARGET_DIR),target)/debug
IMAGE := $(or $(CARGO_TARGET_DIR),target)/image
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml)
TAG ?= ghcr.io/oxen-ai/oxen-operator:$(VERSION)
DEMO := $(BIN)/demo --operator $(BIN)/oxen-operator --examples examples --folder .demo

.PHONY: help demo demo-up demo-down test tools test-tools hub crd build clean require
.PHONY: check-model check-model-deep soak fuzz
.PHONY: image image-binary check-image deny
.PHONY: check check-format check-lints check-docs check-crd check-built-crd

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: require tools build ## Watch the operator turn models on and off, on this machine alone
	@$(DEMO) run

demo-up: require tools build ## The same, left running for your own kubectl
	@$(DEMO) up

# Not built anew: what runs must be stoppable whatever has become of the sources.
demo-down: require ## Stop what demo-up left running
	@[[ -x $(BIN)/demo ]] || cargo build $(WORKSPACE) --bins
	@$(DEMO) down

# The stories wait far more than they work, so more of them than cores run side by side.
test: require test-tools ## Run every test, against a real Kubernetes API server
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-4} cargo test $(WORKSPACE)

soak: require tools ## Ten minutes of everything that can go wrong; SEED=7 for a seed's, FOR=60 for so many seconds
	OXEN_SOAK_SEED=$${SEED:-$$RANDOM} OXEN_SOAK_SECONDS=$${FOR:-600} cargo test --locked --test soak -- --nocapture

# The compiler takes a fuzzer's flags only if it is told that it may.
fuzz: require ## Look for an answer of the hub that breaks a rule; FOR=600 for so many seconds a target
	@cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
	@mkdir -p fuzz/corpus/reply fuzz/corpus/decision
	for target in reply decision; do \
	  RUSTC_BOOTSTRAP=1 cargo fuzz run $$target -- -max_total_time=$${FOR:-60} -timeout=10; \
	done

check: check-format check-lints check-docs check-crd ## Check the format, the lints, the documentation and the generated CRD

check-format: require
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check

check-lints: require
	cargo clippy $(WORKSPACE) --all-targets -- -D warnings
	cargo clippy --locked --manifest-path fuzz/Cargo.toml --target-dir $(or $(CARGO_TARGET_DIR),target) -- -D warnings

check-docs: require
	RUSTDOCFLAGS="-D warnings" cargo doc $(WORKSPACE) --no-deps

check-crd: require build check-built-crd

check-built-crd:
	@$(BIN)/oxen-operator crd | diff -u crds/oxenmodels.yaml - || { echo "error: crds/oxenmodels.yaml is stale: run \`make crd\`" >&2; exit 1; }

check-model: require ## Explore every order of events around the decision, within bounds
	@cargo run --locked --package model

check-model-deep: require ## The same with wider bounds: long, and gigabytes of memory
	@cargo run --locked --package model -- --deep

deny: require ## Check the dependencies' licences and sources, and known faults where their database can be had
	@cargo deny --version >/dev/null 2>&1 || $(INSTALL_DENY)
	@for crate in . fuzz; do \
	  $(call DENY,$$crate) bans licenses sources; \
	done
	@if why=$$(cargo deny fetch db 2>&1); then \
	  for crate in . fuzz; do $(call DENY,$$crate) --disable-fetch advisories; done; \
	else \
	  echo "SKIPPED: advisories were not checked, for their database can't be had: $$(tail -n 1 <<<"$$why")"; \
	fi

DENY = cargo deny --locked --workspace --manifest-path $(1)/Cargo.toml --config deny.toml check --hide-inclusion-graph

# It works for a second and is compiled for minutes, so it isn't optimised.
INSTALL_DENY := CARGO_PROFILE_DEV_DEBUG=false cargo install cargo-deny --version 0.20.2 --locked --debug

image-binary: require ## Build the program that the image ships, static, into target/image
	@image/build.sh $(IMAGE)

check-image: require tools build image-binary ## Run it with nothing around it, on a real control plane
	@tests/image/check.sh $(IMAGE)/oxen-operator $(BIN)

image: ## Build the image with docker; TAG=... names it
	docker build \
	  --build-arg VERSION=$(VERSION) \
	  --build-arg REVISION=$$(git rev-parse HEAD) \
	  --build-arg SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
	  --tag $(TAG) .

crd: require build ## Write crds/oxenmodels.yaml from the Rust types
	@mkdir -p crds
	@$(BIN)/oxen-operator crd >crds/oxenmodels.yaml.new
	@mv crds/oxenmodels.yaml.new crds/oxenmodels.yaml
	@cp crds/oxenmodels.yaml charts/oxen-operator/files/oxenmodels.yaml
	@echo "crds/oxenmodels.yaml is up to date"

hub: require build ## Run the simulated Oxen hub; ARGS=--help says how
	@$(BIN)/hub $(ARGS)

tools: ## Find or build etcd, kube-apiserver, kubectl and helm, once for all clones
	@tests/tools/build.sh

# What only tests need comes with them.
test-tools:
	@tests/tools/build.sh --for-tests

build: require
	cargo build $(WORKSPACE) --bins

clean: require ## Remove what was built in this clone; the tools stay
	@[[ ! -x $(BIN)/demo ]] || $(DEMO) down
	cargo clean
	rm -rf .demo

require:
	@tests/tools/require.sh
