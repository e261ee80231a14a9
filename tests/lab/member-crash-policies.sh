# SPDX-License-Identifier: LGPL-2.1-or-later
# about: a member that crashes: its own on_crash; stop-group; a power-off that nobody asked for; what xl removes is away
# timeout: 400
# set: long

crash() {
    xenstore-write "/local/domain/$(domid "$1")/data/lab/set" "do=$2"
}
group_is() { domgrp list | grep -Eq "^$1 .*$2"; }

step "without on_member_failure the member's own on_crash counts"
make_guest keeps "" 'on_crash = "preserve"'
make_guest again "" 'on_crash = "restart"'
make_guest ends "" 'on_crash = "destroy"'
make_group own keeps again ends
expect domgrp create own.grp
for name in keeps again ends; do
    wait_ready "$name"
done
before=$(domid again)
for name in keeps again ends; do
    crash "$name" crash
done
other_domain() { running again && [ "$(domid again)" != "$before" ]; }
wait_for 60 other_domain
wait_for 60 gone ends
kept() { domgrp info own | grep -Eq 'keeps .*crashed'; }
wait_for 60 kept
wait_ready again
shows '^own .*partial' domgrp list
expect domgrp destroy own
expect domgrp delete own

step "stop-group: one fails, the others are shut down in order"
make_witness db
make_witness web
make_group shop db web mail
cat >> shop.grp << END
after = [ "web: db" ]
ready = [ "db: xenstore data/ready=1 timeout=300", "web: xenstore data/ready=1 timeout=300", "mail: xenstore data/ready=1 timeout=300" ]
on_member_failure = "stop-group"
END
expect domgrp create shop.grp
notes
crash mail poweroff
stopped() { group_is shop '0/3' && gone db && gone web; }
wait_for 90 stopped
equal "$(notes)" "web asked, web end, db asked, db end" "what the guests noted"
shows 'shutdown +shop .*done' domgrp task list

step "a member that xl removes has not failed"
expect domgrp start shop
expect xl destroy mail
away() { domgrp info shop | grep -Eq 'mail .*away'; }
wait_for 30 away
shows '^shop .*2/3 .*partial' domgrp list
