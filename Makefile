# The whole vocabulary. Each target works on a fresh Debian machine with Rust, Node.js, Go and Python, as root.

.PHONY: run test cluster-test bench check layers

# Tries everything: a server with an account, an API token and a sample video.
run: native-tools
	cargo run --locked -- demo

# Installs what the tests need and runs all of them, from unit to browser.
test:
	tests/setup
	scripts/test.sh

# The same for a cluster of many processes, large and in an optimised build, with figures.
cluster-test:
	tests/setup
	scripts/cluster-test.sh

# Measures vidpass against its peers, side by side, in at most 20 minutes after the builds, and writes bench/RESULTS.md:
# make bench, or make bench BARS="verify_hot serve_1m"; bench/run --list names the bars. The two builds are apart, because
# features unify within one, and users run the first alone.
bench: native-tools
	bench/setup
	cargo build --release --locked -p vidpass
	cargo build --release --locked -p vidpass-bench
	timeout 1300 bench/run --within 1100 $(BARS)
	bench/run --count

# Format, lints, documentation, layers, generated files. Nothing is run.
check: native-tools layers
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	scripts/check-generated.sh
	scripts/check-migrations.sh
	if cargo deny --version >/dev/null 2>&1; then cargo deny --log-level error check bans licenses sources; else echo "cargo deny is not installed: skipped"; fi

# Who may depend on whom.
layers:
	scripts/check-layers.sh

# A C compiler and cmake, for the cryptography; most machines with Rust have them.
.PHONY: native-tools
native-tools:
	@command -v cc >/dev/null && command -v cmake >/dev/null || { apt-get update -qq && apt-get install -y -qq build-essential cmake; }
