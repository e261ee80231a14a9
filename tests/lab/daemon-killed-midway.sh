# SPDX-License-Identifier: LGPL-2.1-or-later
# about: kill -9 of the daemon in the middle of create and of shutdown: undone, and finished in order
# timeout: 400

make_shop() {
    make_witness db "$1"
    make_witness web lab.shutdown=5000
    make_group shop db web
    cat >> shop.grp << END
after = [ "web: db" ]
ready = [ "db: xenstore data/ready=1 timeout=300", "web: xenstore data/ready=1 timeout=300" ]
END
}
newest() { domgrp task list | awk 'NR == 2 { print $1 }'; }
over() { ! domgrp task list | grep -Eq ' (running|queued) '; }

step "create, with db running and web built"
make_shop lab.ready=never
domgrp create shop.grp > out 2>&1 &
wait_for 60 noted db start
wait_for 60 running web
equal "$(domain_state web)" "--p---" "web's state"
kill -9 "$(pidof domgrpd)"
wait $! || true
cat out
expect lab-daemon start
wait_for 120 over
shows 'create +shop +failed' domgrp task list
shows 'interrupted by the end of the daemon' domgrp task show "$(newest)"
shows '^ *1 db +undone' domgrp task show "$(newest)"
equal "$(xl list | wc -l)" 2 "lines of xl list"
refuse shop domgrp list shop

step "shutdown, with web asked"
make_shop lab.ready=0
expect domgrp create shop.grp
equal "$(notes)" "db start, db ready, web start, web ready" "what the guests noted"
expect domgrp shutdown shop
wait_for 60 noted web asked
kill -9 "$(pidof domgrpd)"
expect lab-daemon start
expect domgrp task wait "$(newest)"
notes | tee noted
expect grep -Ex "(web asked, ){1,2}web end, db asked, db end" noted # both daemons may have asked web
shows 'shutdown +shop +done' domgrp task list
shows '^shop .* 0/2 .*stopped' domgrp list
equal "$(xl list | wc -l)" 2 "lines of xl list"
