# Installation, the source archive and the packages. The Makefile includes this file; it defines `release` and RELEASE.

# The product carries the Swift runtime and its C++ library, so that it runs where no Swift is installed. What else the
# link takes is in packaging/link.
RELEASE += --static-swift-stdlib -Xswiftc -I$(CURDIR)/$(LINK) -Xlinker -L$(CURDIR)/$(LINK) \
    -Xlinker $(CURDIR)/$(LINK)/FoundationEssentials.o -Xlinker $(CURDIR)/$(LINK)/hypotf.o
# A small program starts faster, and the parts that count are loops over few bytes. No part of the standard library's
# regular expressions is used. Nothing looks for symbols in the program, and nothing unwinds its stack while it runs:
# a debugger does without the index of the unwinding tables.
RELEASE += -Xswiftc -Osize -Xswiftc -Xfrontend -Xswiftc -disable-implicit-string-processing-module-import \
    -Xswiftc -Xfrontend -Xswiftc -disable-concrete-type-metadata-mangled-name-accessors \
    -Xswiftc -use-ld=lld -Xlinker --icf=all -Xlinker -O2 -Xlinker --no-export-dynamic -Xlinker --no-eh-frame-hdr \
    -Xlinker --symbol-ordering-file=$(CURDIR)/packaging/link/order.txt -Xlinker --no-warn-symbol-ordering

# SwiftPM adds a RUNPATH of $ORIGIN, with which a root program would look for libraries beside itself. With `-z now`
# every symbol is bound before main, and the table of symbols is read-only from then on.
RELEASE += --disable-local-rpath -Xlinker -z -Xlinker now

PREFIX ?= /usr/local
INSTALL ?= install
STRIP ?= strip
export OBJCOPY ?= objcopy
# The program to install: that of `make release`, or with BINARY=FILE any other build.
BUILT = .build/release/apertured
BINARY ?= $(BUILT)
# The same for libvirt's hook, which `make install-libvirt` installs.
BUILT_HOOK = .build/release/apertured-libvirt-hook
HOOK ?= $(BUILT_HOOK)
# What a package is made after: nothing is built where BINARY is another.
BUILD = $(if $(filter $(BUILT),$(BINARY)),release)
# The version is defined in the program alone.
VERSION := $(shell sed -n 's/^ *static let version = "\(.*\)"$$/\1/p' Sources/apertured/Commands/Apertured.swift)
# The time of the last commit, so that the same tree gives the same package (reproducible-builds.org). A source archive
# knows it itself: it may lie in a checkout of something else.
ARCHIVED := $(shell sed -n 's/^time \([0-9]*\)$$/\1/p' packaging/commit)
SOURCE_DATE_EPOCH ?= $(or $(ARCHIVED),$(shell git log -1 --format=%ct 2>/dev/null || date +%s))
export SOURCE_DATE_EPOCH

ARCHITECTURE = $(shell dpkg --print-architecture)
DEB = .build/apertured_$(VERSION)_$(ARCHITECTURE).deb
DEB_LIBVIRT = .build/apertured-libvirt_$(VERSION)_$(ARCHITECTURE).deb
STAGE = .build/deb
STAGE_LIBVIRT = .build/deb-libvirt
DIST = .build/dist
# The packages of the tools that `make deb` needs.
DEB_PACKAGES = dpkg-dev binutils python3-minimal xz-utils
RPM = .build/apertured-$(VERSION)-1$(shell rpm --eval '%{?dist}').$(shell uname -m).rpm
RPM_LIBVIRT = $(RPM:.build/apertured-%=.build/apertured-libvirt-%)
RPM_STAGE = .build/rpm
ARCH = .build/apertured-$(VERSION)-1-$(shell uname -m).pkg.tar.zst
ARCH_LIBVIRT = $(ARCH:.build/apertured-%=.build/apertured-libvirt-%)
# The container image, of the .deb.
IMAGE = .build/apertured-$(VERSION).oci.tar
IMAGE_STAGE = .build/image
# The oldest glibc that the package runs on: that of RHEL 9 and what is made of it.
GLIBC = 2.34

# The tools that make initramfs images look for hooks below /usr alone, whatever PREFIX is.
INITRAMFS_TOOLS = /usr/share/initramfs-tools
DRACUT = /usr/lib/dracut/modules.d/89apertured
INITCPIO = /usr/lib/initcpio
# Paths of a file that is installed below PREFIX.
PREFIXED = sed 's,/usr/bin/apertured,$(PREFIX)/bin/apertured,g; s,/usr/lib/apertured,$(PREFIX)/lib/apertured,g'

# Below PREFIX: systemd, udev and the journal look in /usr/lib and in /usr/local/lib.
UNITS = $(PREFIX)/lib/systemd/system
GENERATORS = $(PREFIX)/lib/systemd/system-generators
# Drop-ins for every unit whose name begins like this (systemd.unit(5)).
DEVICES = sys-subsystem-pci-devices-.device.d
CATALOG = $(PREFIX)/lib/systemd/catalog
RULES = $(PREFIX)/lib/udev/rules.d
MANUALS = $(PREFIX)/share/man
# The pages, in the folders that their links expect.
PAGES = $(PREFIX)/share/doc/apertured
SCHEMAS = $(PREFIX)/share/apertured/schema
# For a Prometheus and a Grafana, wherever they run.
PROMETHEUS = $(PREFIX)/share/apertured/prometheus
PROXMOX = $(PREFIX)/share/apertured/proxmox-hookscript
COMPLETIONS_BASH = $(PREFIX)/share/bash-completion/completions
COMPLETIONS_FISH = $(PREFIX)/share/fish/vendor_completions.d
# Below /usr, Debian's zsh looks in share/zsh/vendor-completions instead.
COMPLETIONS_ZSH = $(PREFIX)/share/zsh/site-functions

# libvirt's own folder, wherever apertured is installed: /etc/libvirt, unless libvirt was built for another prefix.
HOOKS = /etc/libvirt/hooks/qemu.d

.PHONY: order program install install-libvirt uninstall uninstall-libvirt dist deb deb-check deb-packages rpm rpm-check rpm-packages arch arch-check \
    arch-packages image image-check image-packages

# Installing needs neither dpkg nor apt. The program is built first only if a source file is newer. pkg-config names a
# missing C library.
$(BUILT): Package.swift $(shell find Sources -type f) $(LINK)
	@pkg-config --print-errors --exists libpci expat
	$(SWIFT) build $(RELEASE)

$(BUILT_HOOK): $(BUILT)
	$(SWIFT) build $(RELEASE:apertured=apertured-libvirt-hook)
	touch $@

$(LINK): $(wildcard packaging/link/*)
	packaging/link/prepare $@
	touch $@

# The functions that a short run uses: see packaging/link/order. As root.
order: release
	@./.ci/packages binutils valgrind
	packaging/link/profile $(BUILT)

# What a package's build runs: it needs neither dpkg nor apt.
program: $(BINARY) $(HOOK)

# A hook of packaging/initramfs, its mode, and its place.
define hook
$(INSTALL) -d $(dir $(DESTDIR)$(3))
$(PREFIXED) packaging/initramfs/$(1) > $(DESTDIR)$(3)
chmod $(2) $(DESTDIR)$(3)
endef

install: $(BINARY)
	$(INSTALL) -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/apertured
	$(STRIP) --strip-unneeded --remove-section=.comment $(DESTDIR)$(PREFIX)/bin/apertured
	packaging/stamp $(VERSION) $(DESTDIR)$(PREFIX)/bin/apertured
	$(INSTALL) -d $(DESTDIR)$(UNITS)
	sed 's,/usr/bin/apertured ,$(PREFIX)/bin/apertured ,' systemd/apertured@.service > $(DESTDIR)$(UNITS)/apertured@.service
	sed 's,/usr/bin/apertured ,$(PREFIX)/bin/apertured ,' systemd/apertured.service > $(DESTDIR)$(UNITS)/apertured.service
	chmod 644 $(DESTDIR)$(UNITS)/apertured@.service $(DESTDIR)$(UNITS)/apertured.service
	$(INSTALL) -D -m 644 systemd/apertured.device.conf $(DESTDIR)$(UNITS)/$(DEVICES)/apertured.conf
	$(INSTALL) -d $(DESTDIR)$(RULES)
	sed 's,/usr/bin/apertured ,$(PREFIX)/bin/apertured ,' systemd/90-apertured.rules > $(DESTDIR)$(RULES)/90-apertured.rules
	chmod 644 $(DESTDIR)$(RULES)/90-apertured.rules
	$(INSTALL) -D -m 755 systemd/apertured-generator $(DESTDIR)$(GENERATORS)/apertured-generator
	$(INSTALL) -D -m 644 systemd/apertured.catalog $(DESTDIR)$(CATALOG)/apertured.catalog
	$(INSTALL) -D -m 755 packaging/initramfs/reserve $(DESTDIR)$(PREFIX)/lib/apertured/reserve
	$(call hook,apertured-reserve.service,644,$(PREFIX)/lib/apertured/apertured-reserve.service)
	$(call hook,initramfs-tools.hook,755,$(INITRAMFS_TOOLS)/hooks/apertured)
	$(call hook,initramfs-tools.script,755,$(INITRAMFS_TOOLS)/scripts/init-top/apertured)
	$(call hook,dracut.setup,755,$(DRACUT)/module-setup.sh)
	$(call hook,dracut.hook,755,$(DRACUT)/apertured-reserve.sh)
	$(call hook,mkinitcpio.install,644,$(INITCPIO)/install/apertured)
	$(call hook,mkinitcpio.hook,644,$(INITCPIO)/hooks/apertured)
	$(INSTALL) -D -m 644 man/apertured.8 $(DESTDIR)$(MANUALS)/man8/apertured.8
	$(INSTALL) -D -m 644 man/apertured.conf.5 $(DESTDIR)$(MANUALS)/man5/apertured.conf.5
	$(INSTALL) -d $(DESTDIR)$(PAGES)/docs
	$(INSTALL) -m 644 README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md $(DESTDIR)$(PAGES)
	$(INSTALL) -m 644 docs/*.md $(DESTDIR)$(PAGES)/docs
	$(INSTALL) -D -m 644 packaging/examples/50-apertured.rules $(DESTDIR)$(PAGES)/examples/50-apertured.rules
	$(INSTALL) -D -m 755 packaging/examples/proxmox-hookscript $(DESTDIR)$(PROXMOX)
	$(INSTALL) -d $(DESTDIR)$(PROMETHEUS)
	$(INSTALL) -m 644 deploy/prometheus/apertured.rules.yml deploy/prometheus/apertured.dashboard.json $(DESTDIR)$(PROMETHEUS)
	$(INSTALL) -d $(DESTDIR)$(SCHEMAS)
	$(INSTALL) -m 644 schema/*.json $(DESTDIR)$(SCHEMAS)
	$(INSTALL) -D -m 644 completions/apertured.bash $(DESTDIR)$(COMPLETIONS_BASH)/apertured
	$(INSTALL) -D -m 644 completions/apertured.fish $(DESTDIR)$(COMPLETIONS_FISH)/apertured.fish
	$(INSTALL) -D -m 644 completions/_apertured $(DESTDIR)$(COMPLETIONS_ZSH)/_apertured
	@[ -n "$(DESTDIR)" ] || packaging/scripts/reload

# libvirt's hook. Its daemons' AppArmor profile lets them run what is in bin, and confines what is in libvirt's folder. A
# link is no configuration file: nothing of it stays when a package is removed.
install-libvirt: $(HOOK)
	$(INSTALL) -D -m 755 $(HOOK) $(DESTDIR)$(PREFIX)/bin/apertured-libvirt-hook
	$(STRIP) --strip-unneeded --remove-section=.comment $(DESTDIR)$(PREFIX)/bin/apertured-libvirt-hook
	$(INSTALL) -d $(DESTDIR)$(HOOKS)
	ln -sf $(PREFIX)/bin/apertured-libvirt-hook $(DESTDIR)$(HOOKS)/apertured
	$(INSTALL) -D -m 644 man/apertured-libvirt-hook.8 $(DESTDIR)$(MANUALS)/man8/apertured-libvirt-hook.8
	@[ -n "$(DESTDIR)" ] || packaging/scripts/reload-libvirt

uninstall-libvirt:
	rm -f $(DESTDIR)$(HOOKS)/apertured $(DESTDIR)$(PREFIX)/bin/apertured-libvirt-hook \
	    $(DESTDIR)$(MANUALS)/man8/apertured-libvirt-hook.8

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/apertured $(DESTDIR)$(UNITS)/apertured@.service \
	    $(DESTDIR)$(UNITS)/$(DEVICES)/apertured.conf $(DESTDIR)$(RULES)/90-apertured.rules $(DESTDIR)$(CATALOG)/apertured.catalog \
	    $(DESTDIR)$(MANUALS)/man8/apertured.8 $(DESTDIR)$(MANUALS)/man5/apertured.conf.5 \
	    $(DESTDIR)$(COMPLETIONS_BASH)/apertured $(DESTDIR)$(COMPLETIONS_FISH)/apertured.fish \
	    $(DESTDIR)$(COMPLETIONS_ZSH)/_apertured $(DESTDIR)$(GENERATORS)/apertured-generator \
	    $(DESTDIR)$(INITRAMFS_TOOLS)/hooks/apertured $(DESTDIR)$(INITRAMFS_TOOLS)/scripts/init-top/apertured \
	    $(DESTDIR)$(INITCPIO)/install/apertured $(DESTDIR)$(INITCPIO)/hooks/apertured
	rm -rf $(DESTDIR)$(PAGES) $(DESTDIR)$(PREFIX)/share/apertured $(DESTDIR)$(PREFIX)/lib/apertured $(DESTDIR)$(DRACUT)
	rmdir --ignore-fail-on-non-empty $(DESTDIR)$(UNITS)/$(DEVICES)
	@[ -n "$(DESTDIR)" ] || packaging/scripts/reload

# The source archive, and the spec file and the PKGBUILD that build it.
dist:
	packaging/dist $(VERSION) $(DIST)

deb: deb-packages $(BUILD)
	rm -rf $(STAGE)
	$(MAKE) install DESTDIR=$(CURDIR)/$(STAGE)/root PREFIX=/usr COMPLETIONS_ZSH=/usr/share/zsh/vendor-completions
	packaging/normalize $(STAGE)/root/usr/bin/apertured
	packaging/build-deb apertured $(STAGE) $(VERSION) $(ARCHITECTURE) $(DEB)
	rm -rf $(STAGE_LIBVIRT)
	$(MAKE) install-libvirt DESTDIR=$(CURDIR)/$(STAGE_LIBVIRT)/root PREFIX=/usr
	packaging/normalize $(STAGE_LIBVIRT)/root/usr/bin/apertured-libvirt-hook
	packaging/build-deb apertured-libvirt $(STAGE_LIBVIRT) $(VERSION) $(ARCHITECTURE) $(DEB_LIBVIRT)

deb-check: deb
	@./.ci/packages lintian
	packaging/check-glibc $(GLIBC) $(STAGE)/root/usr/bin/* $(STAGE_LIBVIRT)/root/usr/bin/*
	lintian --allow-root --pedantic --display-info --fail-on error,warning,info,pedantic --info $(DEB) $(DEB_LIBVIRT)

deb-packages:
	@./.ci/packages $(DEB_PACKAGES)

rpm: rpm-packages $(BUILD)
	packaging/build-rpm $(RPM_STAGE) $(VERSION) $(abspath $(BINARY)) $(abspath $(HOOK)) $(RPM) $(RPM_LIBVIRT)

rpm-check: deb rpm
	@./.ci/packages libarchive-tools rpmlint
	rpmlint --strict --config packaging/rpm/rpmlint.toml $(RPM) $(RPM_LIBVIRT) $(RPM_STAGE)/apertured.spec
	packaging/same-files $(DEB) $(RPM)
	packaging/same-files $(DEB_LIBVIRT) $(RPM_LIBVIRT)

rpm-packages:
	@./.ci/packages binutils python3-minimal rpm

# Of the last commit, as makepkg builds a source archive.
arch: arch-packages dist $(BUILD)
	packaging/build-arch $(DIST) $(BINARY) $(HOOK) $(ARCH) $(ARCH_LIBVIRT)

# The .deb is made of the working tree: with uncommitted changes the two may differ.
arch-check: deb arch
	@if [ -z "$$(git status --porcelain)" ]; then packaging/same-files $(DEB) $(ARCH) && packaging/same-files $(DEB_LIBVIRT) $(ARCH_LIBVIRT); \
	else echo "not compared with the .deb: something is not committed"; fi

arch-packages:
	@./.ci/packages binutils fakeroot libarchive-tools makepkg pacman-package-manager python3-minimal zstd

# `podman load --input` takes it. The root file system that it is made from stays in IMAGE_STAGE: remove that for Debian's
# newest packages. As root.
image: deb image-packages $(IMAGE_STAGE)/base.list
	packaging/build-image $(DEB) $(IMAGE_STAGE) $(VERSION) "$$(git rev-parse HEAD 2>/dev/null)" $(IMAGE)

$(IMAGE_STAGE)/base.list: packaging/build-image
	rm -rf $(IMAGE_STAGE)
	mkdir -p $(IMAGE_STAGE)
	touch $@

# The list of its files, its size, and a run of its programs.
image-check: image
	Tests/Image/check $(IMAGE) $(DEB) $(VERSION)

image-packages:
	@./.ci/packages buildah dpkg-dev mmdebstrap
