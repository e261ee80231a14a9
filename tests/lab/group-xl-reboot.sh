# SPDX-License-Identifier: LGPL-2.1-or-later
# about: a member rebooted by xl is born in its group, whoever creates it; xl keeps working on members
# timeout: 400

make_group shop db web
make_guest own "" 'uuid = "7b1f6a52-3a5e-4c2b-9d57-1f0c8b7e4a11"'
expect domgrp create shop.grp
wait_ready db
wait_ready web

group=$(guest_key db domgrp/id)

step "xl reboot of a member that the daemon created"
before=$(domid db)
old=$(uuid db)
expect xl reboot db
other_domain() { running db && [ "$(domid db)" != "$before" ]; }
wait_for 60 other_domain
wait_ready db
equal "$(uuid db)" "$old" "db's UUID"
equal "$(guest_key db domgrp/name)" shop "db's group in xenstore"
equal "$(lab-groups of "$(domid db)")" "$group" "db's group in the hypervisor"

step "xl reboot of a member that xl created: xl's own monitor makes the new domain"
start_guest own
expect domgrp join shop own
before=$(domid own)
expect xl reboot own
other_own() { running own && [ "$(domid own)" != "$before" ]; }
wait_for 60 other_own
equal "$(lab-groups of "$(domid own)")" "$group" "own's group in the hypervisor"
wait_ready own
published() { [ "$(guest_key own domgrp/name)" = shop ]; }
wait_for 20 published

step "a member is in its group before its first instruction"
expect xl destroy own
expect xl create -q -p own.cfg
equal "$(domain_state own)" "--p---" "own's state"
equal "$(lab-groups of "$(domid own)")" "$group" "own's group in the hypervisor"
expect xl destroy own

step "xl destroy: the member is away, and the group says so"
expect xl destroy web
away() { domgrp info shop | grep -Eq 'web .*away'; }
wait_for 20 away
shows '^shop .*partial' domgrp list
expect domgrp start shop
wait_ready web
shows '^shop .*running' domgrp list
