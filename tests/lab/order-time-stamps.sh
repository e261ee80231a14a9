# SPDX-License-Identifier: LGPL-2.1-or-later
# about: the database before and after the web server: by time stamps that the guests write
# timeout: 300

make_witness db lab.ready=3000
make_witness web lab.shutdown=2000
make_group shop web db
cat >> shop.grp << END
after = [ "web: db" ]
ready = [ "db: xenstore data/ready=1 timeout=300", "web: xenstore data/ready=1 timeout=300" ]
END

step "create: web starts when db is ready, and it is done when web is ready"
expect domgrp create shop.grp
equal "$(notes)" "db start, db ready, web start, web ready" "what the guests noted"

step "reboot: down in reverse order, up in order"
expect domgrp reboot -w shop
equal "$(notes)" \
    "web asked, web end, db asked, db end, db start, db ready, web start, web ready" "what the guests noted"

step "shutdown: db is asked when web is down"
expect domgrp shutdown -w shop
equal "$(notes)" "web asked, web end, db asked, db end" "what the guests noted"
