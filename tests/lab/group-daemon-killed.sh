# SPDX-License-Identifier: LGPL-2.1-or-later
# about: kill -9 of the daemon with groups running: guests run on, and after its start `list` is right
# timeout: 400

make_group shop db web
make_group lab probe
expect domgrp create shop.grp
expect domgrp create lab.grp
expect domgrp pause lab
wait_ready db
wait_ready web
domgrp list > before
domid db > db-before

step "the daemon dies"
kill -9 "$(pidof domgrpd)"
refuse 'domgrpd' domgrp list
ask db "show=domgrp/name"
expect running web

step "and comes back"
expect lab-daemon start
domgrp list > after
cat before after
columns() { awk '{ print $1, $2, $3, $4, $5 }' "$1"; }
equal "$(columns before)" "$(columns after)" "the list"
equal "$(domid db)" "$(cat db-before)" "db's domid"

step "it still looks after its domains"
expect xl reboot db
other_domain() { running db && [ "$(domid db)" != "$(cat db-before)" ]; }
wait_for 60 other_domain
wait_ready db
equal "$(guest_key db domgrp/name)" shop "db's group in xenstore"
expect domgrp unpause lab

step "a domain that went away meanwhile"
kill -9 "$(pidof domgrpd)"
expect xl destroy web
expect lab-daemon start
shows '^shop .*partial' domgrp list
expect domgrp destroy shop
expect domgrp destroy lab
expect domgrp delete shop
expect domgrp delete lab
