# SPDX-License-Identifier: LGPL-2.1-or-later
# about: on Debian's own hypervisor groups work, and what only the other hypervisor can do is said
# host: xen=stock
# timeout: 240

make_group shop db web
expect domgrp create shop.grp
shows '^shop .* 2/2 .*running' domgrp list
wait_ready db
wait_ready web

step "pause goes member by member, and says so"
shows 'not in one step' domgrp pause shop
case $(domain_state db) in *p*) ;; *) fail "db is not paused: $(domain_state db)" ;; esac
case $(domain_state web) in *p*) ;; *) fail "web is not paused: $(domain_state web)" ;; esac
expect domgrp unpause shop
ask db verify=1

step "join"
make_guest cache
start_guest cache
expect domgrp join shop cache
shows '^shop .* 3/3 ' domgrp list

step "the end"
expect domgrp shutdown -w shop
shows '^shop .* 0/3 .*stopped' domgrp list
expect domgrp start shop
expect domgrp destroy shop
expect domgrp delete shop
[ "$(xl list | wc -l)" = 2 ] || fail "domains stay: $(xl list)"
