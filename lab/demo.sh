#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The main job, played in an emulated host's dom0 by `make demo`. Every line that starts with # below was typed as
# shown, and what follows it is what it printed.

set -eu -o pipefail
cd /root/examples/shop

if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

tell() {
    printf '\n%s\n' "$*"
}

type() {
    printf '%s# %s%s\n' "$bold" "$*" "$plain"
    "$@"
}

tell "Three machines of a shop, each described by a plain xl.cfg file, and a file that makes a group of them."
type cat shop.grp
type cat db.cfg

tell "Create the group: its domains start together."
type domgrp create shop.grp
type domgrp list
type xl list

tell "Everything about it, down to its members:"
type domgrp info shop

tell "Pause it: one hypercall stops all members; the skew between the first and the last is told."
type domgrp pause shop
type domgrp list shop
type domgrp unpause shop

tell "A further domain, started by xl as ever, joins the group."
type xl create -q cache.cfg
type domgrp join shop cache
type domgrp list

tell "Reboot all of it; each member is born in its group again."
type domgrp reboot -w shop
type domgrp list shop

tell "Shut it down, and wait until every guest has ended."
type domgrp shutdown -w shop
type domgrp list shop
type xl list

tell "The group is still defined: start it again."
type domgrp start shop
type domgrp list shop

tell "Pull the plug on all of it, and forget it."
type domgrp destroy shop
type domgrp delete shop
type domgrp list
