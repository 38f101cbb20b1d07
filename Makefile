# SPDX-License-Identifier: GPL-2.0-or-later
# The commands of this repo. scripts/ has what they do; each prints its steps.

.NOTPARALLEL:
.PHONY: help run check lab shell matrix qtest bench qemu kernel deb install uninstall tree refresh series tables deps clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

run: ## build what is missing, then boot a guest on an accelerated SMMUv3
	@scripts/do run

check: ## build, then all tests; ends with "N passed, N failed, N skipped"
	@scripts/do check

lab: ## run scenarios: make lab SCENARIO=arm64/accel, or SCENARIO='arm64/cmdqv*'
	@scripts/do lab "$(SCENARIO)"

shell: ## a shell in a scenario: make shell SCENARIO=arm64/accel LEVEL=l1 or l2
	@scripts/do shell "$(SCENARIO)" "$(LEVEL)"

matrix: ## main scenarios over all kernels, page sizes, ACPI and device tree of the guest
	@scripts/do matrix "$(MATRIX)"

qtest: ## one test of QEMU: make qtest TEST=arm-smmuv3-test, or TEST=arm-smmuv3-test/cmdq
	@scripts/do qtest "$(TEST)"

bench: ## times and host calls, beside those of a distribution's later QEMU in the same lab
	@scripts/do bench

qemu: ## build/bin/qemu-system-aarch64 and -x86_64, and build/bin/arm64/ for the lab
	@scripts/do qemu

kernel: ## build/kernel/arm64 and x86_64, or KERNEL=name (base/linux-kernels has the names)
	@scripts/do kernel "$(KERNEL)"

deb: ## build/deb: Debian packages of QEMU for amd64 and arm64, to go beside Debian's own
	@scripts/do deb

install: ## put QEMU below PREFIX (default /usr/local); with DESTDIR, into a copy of it
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install install

uninstall: ## remove what "make install" with this PREFIX and DESTDIR has put there
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install uninstall

tree: ## build/tree: QEMU's source with the series as git commits (QEMU_SRC=folder: on that)
	@scripts/do tree

refresh: ## write commits and edits in build/tree back to series, patches/ and the overlay
	@scripts/series.py refresh

series: ## build/series: the mails for git send-email
	@scripts/series.py export

tables: ## have the ACPI tables made anew that bios-tables-test expects; shows what changes
	@scripts/do tables

deps: ## install the Debian packages of base/packages that are missing
	@scripts/deps

clean: ## remove build/ (the cache in ~/.cache/qemu-viommu stays)
	rm -rf build
