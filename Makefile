# apertured: `make demo` shows the main job on a real kernel, `make test` tests everything.

SWIFT ?= swift
# How `release` builds the product: packaging/packaging.mk has the rest.
RELEASE = --configuration release --product apertured
# What the release links beside the program; another name for other contents, so that all is built anew.
LINK = .build/link-$(shell cat packaging/link/* | cksum | cut -d " " -f 1)
# A warning in this package's own targets is an error; SwiftPM keeps it away from the dependencies.
STRICT = -Xswiftc -warnings-as-errors
PACKAGES = libexpat1-dev libpci-dev pci.ids pkg-config python3-minimal systemd util-linux
# The tests that send signals to themselves, and those that need a journald.
ALONE = GuardLoopTests
# What the unit tests print with --json.
DOCUMENTS = $(CURDIR)/.build/documents
JOURNALED = RealJournal
LAB = Tests/Lab/lab
SCENARIO ?=
JOBS ?= $(shell nproc)

SECONDS ?= 60
FUZZERS = $(patsubst Fuzz/%/Main.swift,%,$(wildcard Fuzz/*/Main.swift))

.PHONY: demo test lab lab-table bench bench-fleet bench-table soak fuzz fuzzers sanitize build release unit units \
    completions-check proxmox-check prometheus-check kubernetes-check lint packages lab-packages clean

demo: lab-packages release
	$(LAB) demo

test: lint unit completions-check proxmox-check prometheus-check kubernetes-check fuzzers units deb-check rpm-check \
    arch-check image-check lab-packages
	$(LAB) run --quick --package $(DEB) --jobs $(JOBS)

# On bare kernels and, with the package and its image, on a full Debian with systemd and udev.
lab: lab-packages deb image
	$(LAB) run $(SCENARIO) --package $(DEB) --jobs $(JOBS)

# The tables of the last run of each scenario, into their page.
lab-table:
	$(LAB) table --into docs/lab.md

# What it costs, beside goals; about three minutes. As root.
bench: lab-packages release
	@./.ci/packages pciutils psmisc strace valgrind
	$(SWIFT) build $(RELEASE:apertured=ApertureBenchmarks)
	Benchmarks/run $(INTO)

# The same, with the table of README.md.
bench-table:
	$(MAKE) bench INTO='--into README.md'

# What hostile neighbours and sick devices cost, beside goals; about ten minutes. As root.
soak: lab-packages release
	$(SWIFT) build --configuration release --product GuardSoak
	Benchmarks/soak

# SECONDS is how long each fuzzer runs.
fuzz: packages
	SECONDS_EACH=$(SECONDS) Fuzz/run

# Compiles them, beside what the unit tests are made of: to link, they need the flags of Fuzz/run. One call for each, as
# SwiftPM builds one target or all.
fuzzers: export APERTURED_FUZZ = 1
fuzzers: packages
	@set -e; for fuzzer in $(FUZZERS); do $(SWIFT) build $(STRICT) --target Fuzz$$fuzzer; done

# The unit tests under AddressSanitizer and under ThreadSanitizer. Swift keeps its metadata on purpose: no leaks.
sanitize: packages
	ASAN_OPTIONS=detect_leaks=0 $(SWIFT) test --sanitize=address --scratch-path .build/address --skip $(ALONE) --skip $(JOURNALED)
	ASAN_OPTIONS=detect_leaks=0 $(SWIFT) test --skip-build --sanitize=address --scratch-path .build/address --filter $(ALONE)
	# A deadline write is a fork, and the one of a rescan starts a thread in it, which ThreadSanitizer only allows on demand.
	TSAN_OPTIONS=die_after_fork=0 $(SWIFT) test --sanitize=thread --scratch-path .build/thread --skip $(ALONE) --skip $(JOURNALED)
	$(SWIFT) test --skip-build --sanitize=thread --scratch-path .build/thread --filter $(ALONE)

build: packages
	$(SWIFT) build $(STRICT)

release: packages $(LINK)
	$(SWIFT) build $(RELEASE)
	$(SWIFT) build $(RELEASE:apertured=apertured-libvirt-hook)

unit: packages
	@./.ci/packages python3-jsonschema
	$(SWIFT) build --build-tests $(STRICT)
	rm -rf $(DOCUMENTS)
	APERTURED_DOCUMENTS=$(DOCUMENTS) $(SWIFT) test --skip-build --parallel --skip $(ALONE) --skip $(JOURNALED)
	schema/check $(DOCUMENTS)
	$(SWIFT) test --skip-build --filter $(ALONE)
	Tests/with-journald $(SWIFT) test --skip-build --filter $(JOURNALED)

# The completions, each in its own shell in a pseudo-terminal, beside the program's help.
completions-check: build
	@./.ci/packages bash bash-completion fish zsh python3-pyte
	Tests/Completions/check .build/debug/apertured

# The hookscript of Proxmox VE, on recorded configurations.
proxmox-check:
	@./.ci/packages perl
	Tests/Proxmox/check

# The manifests for Kubernetes, against its published schemas. What is not there is named, and fails nothing (77).
kubernetes-check:
	@./.ci/packages python3-venv python3-yaml
	@command -v kubectl >/dev/null || ./.ci/packages kubernetes-client
	Tests/Kubernetes/check || [ $$? -eq 77 ]

# The metrics, through a node_exporter and a Prometheus on loopback. Their packages are unpacked and not installed, which
# would start services. 77: they cannot be had, and it says that it was not run.
prometheus-check: build
	Tests/Prometheus/check .build/debug/apertured || [ $$? -eq 77 ]

# What the metrics cost a fleet, on generated machines.
bench-fleet: release
	Benchmarks/fleet

# The unit, the udev rule, the catalog and the manuals, by systemd's and groff's own tools.
units:
	@./.ci/packages systemd udev groff
	systemd/check

# The Swift files and their docstrings, the links between the pages, and the map of the modules.
lint: packages
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests Benchmarks Fuzz packaging
	.ci/links
	.ci/modules
	.ci/docstrings
	Tests/Lab/system/stories.py

packages:
	@./.ci/packages $(PACKAGES)

lab-packages: packages
	@./.ci/packages $$(cat Tests/Lab/packages.txt)

clean:
	rm -rf .build

# program, install, uninstall, dist, deb, rpm, arch
include packaging/packaging.mk
