# SPDX-License-Identifier: LGPL-2.1-or-later
# about: the engine's host on real Xen: configurations, a domain's life and end, groups, records, events
# host: daemon=no
# timeout: 300

lab-host-xen /lab/guest/vmlinux /lab/guest/initramfs
