# SPDX-License-Identifier: LGPL-2.1-or-later
# about: what every host promises the engine, on real Xen: the cases that the simulated host passes too
# host: daemon=no
# timeout: 400

lab-contract /lab/guest/vmlinux /lab/guest/initramfs
