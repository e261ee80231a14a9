# SPDX-License-Identifier: LGPL-2.1-or-later
# about: a member that crashes is restarted, and beyond the limit the group is failed and waits for an operator
# timeout: 300

make_group shop db
cat >> shop.grp << END
on_member_failure = "restart"
failure_limit = "1/3600"
ready = [ "db: xenstore data/ready=1 timeout=300" ]
END
expect domgrp create shop.grp

# crash NAME - has it crash
crash() {
    xenstore-write "/local/domain/$(domid "$1")/data/lab/set" "do=crash"
}
group_is() { domgrp list | grep -Eq "^shop .*$1"; }

step "once: it is restarted as the same machine"
before=$(domid db)
old=$(uuid db)
crash db
other_domain() { running db && [ "$(domid db)" != "$before" ]; }
wait_for 60 other_domain
wait_ready db
equal "$(uuid db)" "$old" "db's UUID"
equal "$(xl list | wc -l)" 3 "lines of xl list"
wait_for 20 group_is running

step "twice: that is too often"
crash db
wait_for 60 group_is failed
domgrp info shop

step "an operator's start, and it works again"
expect domgrp start shop
wait_for 20 group_is running
