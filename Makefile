# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A thin front door: each target names the command that does the work. Meson builds userspace, hypervisor/build
# builds Xen, lab/lab runs emulated hosts, tests/run counts tests.

MAKEFLAGS += --no-print-directory
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
export JOBS FUZZ FUZZ_SECONDS

.PHONY: help demo lab test test-all check lint bench fuzz install clean

help:
	@echo 'make demo       see it: a group of domains on real Xen, in emulated hosts (DEMO=group, image, migrate: a part)'
	@echo 'make lab        play with it: a dom0 shell in such a host'
	@echo 'make test       unit tests and lab scenarios, one of every kind'
	@echo 'make test-all   all of them, the long ones too'
	@echo 'make check      unit tests but the slow ones: no Xen, no root, no network'
	@echo 'make lint       style of C and scripts'
	@echo 'make fuzz       every fuzz target (FUZZ=NAME: one) for FUZZ_SECONDS=$(FUZZ_SECONDS) of processor time'
	@echo 'make bench      measurements in the lab'
	@echo 'make install    userspace into DESTDIR and PREFIX (the hypervisor: packaging/install-hypervisor)'
	@echo 'make clean      removes build/'

demo:
	@lab/demo $(DEMO)

lab:
	@packaging/install-deps build lab
	@hypervisor/build build/xen/out
	@lab/lab shell

# tests/run looks for everything else, but is in Python itself.
test test-all check fuzz:
	@command -v python3 > /dev/null || packaging/install-deps build
	@tests/run $@

lint:
	@tests/lint

bench:
	@packaging/install-deps build lab bench
	@hypervisor/build build/xen/out
	@test -n "$(BENCH)" || bench/plan
	@test -n "$(BENCH)" || { bench/image && bench/image --memory 64; }
	@bench/run $(BENCH)

# A plain release build of its own, so that what is installed never has the tests' sanitizers in it.
PREFIX ?= /usr/local
release = build/release$(subst /,-,$(PREFIX))
install:
	@mkdir -p build
	@test -e $(release)/build.ninja || \
	    meson setup $(release) --buildtype=release --prefix=$(PREFIX) > build/release.log || \
	    { cat build/release.log; exit 1; }
	@ninja -C $(release) --quiet
	@meson install -C $(release) --no-rebuild --quiet
	@test -n "$(DESTDIR)" || ldconfig

clean:
	rm -rf build
