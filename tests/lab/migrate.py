# SPDX-License-Identifier: LGPL-2.1-or-later
# about: a group moves to another host and back, live and not, with its memory as it was; what is refused changes nothing
# host: hosts=2 mem=1536
# timeout: 600
from migrations import Shop, script

MIGRATE = "domgrp migrate -s lab-link --ready-timeout 120"


def scenario(hosts):
    one, two = hosts
    shop = Shop(hosts)
    shop.create()

    print("== what is refused changes nothing")
    script(one, "refuse 'no group' %s nothing h2" % MIGRATE)
    script(one, "refuse 'h2: .*exit status 1' domgrp migrate -s false shop h2")
    script(one, "refuse 'nowhere: .*ssh: .*nowhere' domgrp migrate shop nowhere")
    script(one, "shows h2 %s --dry-run shop h2" % MIGRATE)
    script(two, "printf 'name = \"shop\"\\nmembers = [ \"x.cfg\" ]\\n' > shop.grp; make_guest x\n"
                "expect domgrp create shop.grp")
    script(one, "refuse 'h2: .*group shop already' %s shop h2" % MIGRATE)
    script(two, "expect domgrp destroy shop; expect domgrp delete shop")
    shop.judge(True)

    print("== it moves, live, while memory is rewritten")
    script(one, "ask db dirty=50; ask web dirty=50")
    shop.migrate("-s lab-link --live --ready-timeout 120")
    print("== and back, by ssh, which is the default")
    shop.migrate()
