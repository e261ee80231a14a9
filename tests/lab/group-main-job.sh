# SPDX-License-Identifier: LGPL-2.1-or-later
# about: the main job: create, list, pause, unpause, join, reboot, shut down, start, destroy, delete
# timeout: 400

step "create"
make_group shop db web mail
expect domgrp create shop.grp
shows '^shop .*running' domgrp list
for name in db web mail; do
    wait_ready "$name"
done

step "every member can read its own group"
ask db "show=domgrp/name"
equal "$(guest_key db data/lab/show)" shop "what db reads"
ask web "show=domgrp/members/0"
equal "$(guest_key web data/lab/show)" "db web mail" "what web reads"

step "pause is a state of the group that xl cannot undo"
shows 'paused shop: 3 domains, 3 vCPUs' domgrp pause shop
xenstore-rm "/local/domain/$(domid db)/data/lab/ack"
shows '^shop .*paused' domgrp list
xl unpause db || true # it fails, and says so, or not, with its exit status
shows '^shop .*paused' domgrp list
xenstore-write "/local/domain/$(domid db)/data/lab/set" "show=domgrp/name"
expect domgrp pause shop
refuse 'paused' domgrp shutdown shop
! guest_answered db || fail "db runs though its group is paused"
expect domgrp unpause shop
shows '^shop .*running' domgrp list
wait_for 30 guest_answered db # only now
ask mail "show=domgrp/id"

step "a domain started by xl joins"
make_guest cache
start_guest cache
expect domgrp join shop cache
shows 'cache' domgrp info shop
ask cache "show=domgrp/members/0"
equal "$(guest_key cache data/lab/show)" "db web mail cache" "what cache reads"

step "reboot"
before=$(domid db)
old=$(uuid db)
expect domgrp reboot -w shop
for name in db web mail cache; do
    wait_ready "$name"
done
[ "$(domid db)" != "$before" ] || fail "db was not rebooted"
equal "$(uuid db)" "$old" "db's UUID"
shows '^shop .*running' domgrp list

step "shut down and start"
expect domgrp shutdown -w shop
for name in db web mail cache; do
    expect gone "$name"
done
shows '^shop .*stopped' domgrp list
expect domgrp start shop
for name in db web mail cache; do
    wait_ready "$name"
done
equal "$(uuid db)" "$old" "db's UUID after a start"

step "grp- before a verb; destroy and delete"
expect domgrp grp-destroy shop
shows '^shop .*stopped' domgrp grp-list
expect domgrp delete shop
refuse 'shop' domgrp info shop
shows 'Group-0' domgrp list
refuse . xenstore-ls /domgrp/shop
