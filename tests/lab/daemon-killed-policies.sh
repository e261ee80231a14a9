# SPDX-License-Identifier: LGPL-2.1-or-later
# about: kill -9 of the daemon in the middle of a start that continues, of one that stops, and of a reboot
# timeout: 500
# set: long

make_witness db
make_witness web
make_group shop db web
cat >> shop.grp << END
after = [ "web: db" ]
ready = [ "db: exec /bin/test -e $PWD/good timeout=300", "web: xenstore data/ready=1 timeout=300" ]
END
newest() { domgrp task list | awk 'NR == 2 { print $1 }'; }
over() { ! domgrp task list | grep -Eq ' (running|queued) '; }
die_and_come_back() {
    kill -9 "$(pidof domgrpd)"
    expect lab-daemon start
}
touch good
expect domgrp create shop.grp

step "start --on-failure=continue goes on"
expect domgrp shutdown -w shop
notes
rm good
domgrp start --on-failure=continue shop > out 2>&1 &
wait_for 60 noted db ready
die_and_come_back
touch good
expect domgrp task wait "$(newest)"
equal "$(notes)" "db start, db ready, web start, web ready" "what the guests noted"
shows '^shop .* 2/2 .*running' domgrp list
equal "$(xl list | wc -l)" 4 "lines of xl list"

step "start --on-failure=stop stays as it is"
expect domgrp shutdown -w shop
rm good
domgrp start --on-failure=stop shop > out 2>&1 &
notes
wait_for 60 noted db ready
die_and_come_back
wait_for 60 over
shows 'start +shop +failed' domgrp task list
expect running db
shows '^shop .*(partial|running)' domgrp list
touch good
expect domgrp start shop
shows '^shop .* 2/2 .*running' domgrp list
wait_ready web

step "reboot goes on, each member once"
notes
expect domgrp reboot shop
wait_for 60 noted web end
die_and_come_back
expect domgrp task wait "$(newest)"
equal "$(notes)" "web asked, web end, db asked, db end, db start, db ready, web start, web ready" \
    "what the guests noted"
equal "$(xl list | wc -l)" 4 "lines of xl list"
