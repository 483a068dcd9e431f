# Every target checks for the packages it needs: as root on Debian it installs them, elsewhere it names them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),$(CURDIR)/target)
ALLOD  := $(TARGET)/release/allod
# Static, for this machine or for ALLOD_TARGET: what it builds lies there.
BUILT   = $(TARGET)/$(shell deploy/release.sh triple)/release
DATA   ?= $(CURDIR)/target/data
ROWS   ?=
ROUNDS ?= 2600
# How much `make crash` tries of each: points to die at, and (see tests/durability) kills, cuts, flips, rounds of trouble.
KILLS  ?= 200
TIMES  ?= 1000
CUTS   ?= 300
FLIPS  ?= 2000
TROUBLE ?= 40
SEED   ?= 1
EACH   ?= 60
ONLY   ?=
# One selection of packages, so that every target asks for the same features and each dependency is compiled once.
CARGO_RELEASE := --locked -p gateway -p tests -p policy
UI     := admin-ui/dist/index.html

.PHONY: help build image deb compose-test serve test check differential demo bench attack rigs crash evidence lint doc deny fuzz coverage fmt need-build need-test need-lint clean-data

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## / \t/' | expand -t 14

need-build:
	@deploy/packages.sh build
need-test:
	@deploy/packages.sh test
need-lint:
	@deploy/packages.sh build

$(UI): $(shell find admin-ui/src -type f 2>/dev/null) admin-ui/index.html admin-ui/package-lock.json admin-ui/vite.config.ts
	cd admin-ui && npm ci --no-audit --no-fund --loglevel=error && rm -rf dist/assets dist/index.html && npm run --silent build
	touch $(UI)

build: need-build $(UI) ## the release binary, in $CARGO_TARGET_DIR/release/allod, and its debug symbols beside it
	deploy/release.sh build $(CARGO_RELEASE) --bin allod
	deploy/strip.sh $(BUILT)/allod $(ALLOD)

image: build ## the container image (allod:latest), and what it is made of in target/image
	deploy/image.sh $(ALLOD) $(CURDIR)/target/image

deb: build ## the Debian package, in target/deb
	deploy/deb.sh $(ALLOD) $(CURDIR)/target/deb

compose-test: build ## the image and the compose files, run for real by an engine of their own; skips where none runs
	deploy/compose-test.sh $(ALLOD) $(CURDIR)/target/compose-test

serve: build ## a running node; data in DATA (default target/data)
	@mkdir -p $(dir $(DATA))
	$(ALLOD) serve --data $(DATA)

test: need-build need-test $(UI) ## every test: unit, property, conformance (SQLite, PostgreSQL, SpiceDB), end to end
	deploy/with-postgres.sh deploy/with-spicedb.sh deploy/with-pebble.sh tests/run.sh

differential: need-build need-test ## the policy evaluator against a real SpiceDB on ROUNDS random worlds from SEED on
	ROUNDS=$(ROUNDS) SEED=$(SEED) deploy/with-spicedb.sh deploy/release.sh test --locked -p policy --test differential \
	  -- --ignored --nocapture

demo: build ## the whole story on real input; non-zero if any step is wrong
	deploy/release.sh build $(CARGO_RELEASE) --bin demo
	ALLOD_BIN=$(ALLOD) $(BUILT)/demo

bench: build ## the table and target/bench/bench.json; ROWS=pattern runs some rows
	deploy/release.sh build $(CARGO_RELEASE) --bin bench
	mkdir -p $(CURDIR)/target/bench
	deploy/with-spicedb.sh deploy/release.sh bench $(CARGO_RELEASE) --bench policy -- --out $(CURDIR)/target/bench/policy.json --rows '$(ROWS)'
	ALLOD_BIN=$(ALLOD) $(BUILT)/bench --out $(CURDIR)/target/bench/bench.json --also $(CURDIR)/target/bench/policy.json --rows '$(ROWS)'

attack: build ## what one caller can do to others: the table and target/attack/attack.json; ROWS=pattern runs some rows
	deploy/release.sh build $(CARGO_RELEASE) --bin attack
	ALLOD_BIN=$(ALLOD) $(BUILT)/attack --out $(CURDIR)/target/attack/attack.json --rows '$(ROWS)'

rigs: need-build need-test $(UI) ## kill -9, power cuts, flipped bits, full disks: TIMES, CUTS, FLIPS, TROUBLE of each
	cargo build --locked -p gateway --bin allod
	cargo build --locked -p tests --bin durability
	ALLOD_BIN=$(TARGET)/debug/allod $(TARGET)/debug/durability --kills $(TIMES) --cuts $(CUTS) --flips $(FLIPS) \
	  --rounds $(TROUBLE) --seed $(SEED) --out $(CURDIR)/target/durability/durability.json

crash: rigs ## the rigs, and set-up, joining, starts and replicas killed at KILLS points each (default 200)
	ALLOD_BIN=$(TARGET)/debug/allod ALLOD_KILLS=$(KILLS) cargo test --locked -p tests --test e2e -- killed --nocapture

evidence: need-build need-test $(UI) ## runs the rigs and the suites (ONLY="rigs killed policy queries clients load"), writes docs/evidence and the README's box
	python3 tests/evidence.py $(ONLY)

check: $(UI) ## formatting, clippy and the unit tests: what is run while one works
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --locked --lib --bins

lint: need-lint $(UI) doc deny ## formatting, clippy, docs, dependencies and the console's types
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cd admin-ui && npm run --silent lint

doc: ## the documentation of the crates, without a warning
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --quiet

deny: ## licences, sources and banned crates among the dependencies; advisories where their database is
	cargo fetch --locked --quiet
	deploy/tool.sh cargo-deny --offline --all-features check licenses bans sources
	deploy/advisories.sh

fuzz: ## libFuzzer on every parser of what comes from outside, EACH seconds (default 60); ONLY=name runs one
	deploy/fuzz.sh $(EACH) $(ONLY)

coverage: ## how much of the code the unit tests reach
	deploy/coverage.sh

fmt: ## format everything
	cargo fmt --all
