# The commands of the house. `make demo` and `make test` need Rust and Node.js, and install the rest.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

# Where rustup puts cargo, and Debian mosquitto: not on everybody's PATH.
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/sbin

# Where `make demo` shows the map.
PORT ?= 8080

# How long `make fuzz` runs each target, in seconds.
TIME ?= 180

.PHONY: help demo test setup fmt lint doc deny test-rust test-web test-cost test-browser test-autobahn test-fuzz web release autobahn fuzz simulate bless bless-cost torture bench bench-baseline clean

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 15

# --- the two that matter

demo: ## Show a made-up mesh on a live map (PORT=8080)
	@scripts/setup rust node
	@$(MAKE) web
	cargo build --locked
	cargo run --locked --quiet -- demo --listen 127.0.0.1:$(PORT)

test: ## Run every check; the last line says how it went
	@scripts/test

# --- the steps of `make test`, in its order

setup: ## Check the tools and install what is missing
	scripts/setup rust node mosquitto postgres valgrind chromium

test-web: web/node_modules/.package-lock.json ## Check, test and build the page
	npm --prefix web run --silent check
	npm --prefix web run --silent test
	@$(MAKE) web

fmt: ## Check the format of the Rust code
	cargo fmt --check

lint: web ## Run clippy; a warning fails
	cargo clippy --locked --all-targets -- -D warnings

doc: web ## Build the documentation; a warning fails
	RUSTDOCFLAGS=-Dwarnings cargo doc --locked --no-deps --document-private-items

deny: ## Check the dependencies' licences and sources
	scripts/deny

test-rust: web ## Run the Rust tests; check the TypeScript that they write
	scripts/test-rust

test-cost: web ## Count the instructions of the hot functions
	scripts/test-cost

test-browser: web ## Use the page of the running demo with a real Chromium
	scripts/test-browser

test-autobahn: web ## Run Autobahn's WebSocket suite, but for large messages
	scripts/autobahn

test-fuzz: web ## Throw some bytes at every decoder
	scripts/fuzz

# --- the rest

web: web/dist/index.html ## Build the page, if its sources changed

release: web ## Build the binary for production
	cargo build --locked --release

autobahn: web ## Run all of Autobahn's WebSocket suite
	scripts/autobahn all

fuzz: web ## Throw bytes at every decoder, TIME seconds long each
	scripts/fuzz $(TIME)

simulate: web ## Try the law on a simulated network (SEEDS=10000), or one story again (SEED=17)
	$(if $(SEED),SEED=$(SEED),SEEDS=$(or $(SEEDS),1000)) cargo test --locked --lib -- simulated_network --nocapture

torture: web ## Kill geocast over and over under load (KILLS=100 PACKETS=12000), or as before (SEED=17)
	SEED=$(or $(SEED),$(shell date +%s)) KILLS=$(or $(KILLS),100) PACKETS=$(or $(PACKETS),12000) \
		cargo test --locked --test house -- kills:: --nocapture --test-threads 1

bench: web ## Measure how fast it is here, and write the table in docs/performance.md
	@scripts/setup rust node mosquitto
	scripts/bench

bench-baseline: web ## Measure geocast beside the classical design (benches/baseline)
	@scripts/setup rust node mosquitto
	scripts/bench-baseline

bless: ## Write the generated TypeScript anew
	cargo test --locked --quiet --lib -- typescript

bless-cost: web ## Write down how many instructions the hot functions take
	scripts/test-cost bless

clean: ## Remove everything that was built
	cargo clean
	rm -rf web/node_modules web/dist

WEB_SOURCES := $(shell find web -type f \
	-not -path 'web/node_modules/*' -not -path 'web/dist/*' -not -path 'web/public/basemap/*' \
	-not -path 'web/e2e/*' 2>/dev/null)

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	npm --prefix web ci --no-fund --no-audit

web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	npm --prefix web run --silent build
	@touch $@
