# Each target says after ## what it is for: `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test test-gitops test-image thorough lint licences bench crds generated clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Tell the story on an Omni in memory; needs Rust and a C compiler only
	@cargo run --quiet --locked -- demo

test: ## Get the test tools that are missing (tools/get), then run every test on real parts but those of GitOps and the image
	@tools/get
	@# Most tests wait for another process: two a core keep the cores busy.
	cargo test --locked -- --test-threads=$$(( $$(nproc) * 2 )) --skip gitops:: --skip image::

test-gitops: ## Get Argo CD and kstatus (tools/get-gitops), then run the tests of GitOps
	@tools/get-gitops
	@# They wait even more than the others.
	cargo test --locked --test wavepin -- --test-threads=$$(( $$(nproc) * 3 )) gitops::

test-image: ## Build the image's binary by the Dockerfile's command, and run it in an empty tree as the chart's user
	@tools/get
	@tools/get-image
	cargo test --locked --test wavepin -- image::

lint: ## Check format, clippy, docs, and that the definitions are what the types say
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	@# There are no examples; asked for them, cargo takes the features that the tests need, so that what is built here is what
	@# the lints before it and the tests after it use, and no dependency is built twice.
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --quiet --lib --examples
	cargo build --locked --quiet --bin wavepin --examples
	@rm -rf target/crds
	@$${CARGO_TARGET_DIR:-target}/debug/wavepin crds --out target/crds
	@for crds in crds charts/wavepin/files/crds; do \
	  diff -ru $$crds target/crds || { echo "$$crds is not what the types say: run \`make crds\` and commit"; exit 1; }; \
	done

licences: ## Hold the dependencies' licences against tools/licences.txt
	@tools/licences

thorough: ## Crash at every boundary in every mode, kill at every statement and status write, and live 4,000 random lives: what `make test` does a part of
	@tools/get
	WAVEPIN_MATRIX=whole cargo test --locked --test wavepin -- promises::promise_03 killed::
	WAVEPIN_LIVES=510 cargo test --locked --test wavepin -- machine::
	WAVEPIN_LIVES=2000 cargo test --locked --lib -- environment::tests::machine

bench: ## Print the table of ratios that says how fast Wavepin is, and on what machine
	@tools/get
	cargo bench --locked
	@# It prints how many runs a second it makes.
	cargo test --locked --test wavepin -- promises::promise_03

crds: ## Write crds/ and the chart's copies anew from the types
	@rm -f crds/*.yaml charts/wavepin/files/crds/*.yaml
	@cargo build --locked --quiet --bin wavepin --examples
	@$${CARGO_TARGET_DIR:-target}/debug/wavepin crds --out crds
	@cp crds/*.yaml charts/wavepin/files/crds/

generated: crds ## Write anew every file and table that is made from the code
	WAVEPIN_WRITE_GENERATED=1 cargo test --locked --lib --test wavepin -- generated

clean: ## Remove what was built, the test tools included
	cargo clean
	rm -rf tools/bin
