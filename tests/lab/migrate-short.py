# SPDX-License-Identifier: LGPL-2.1-or-later
# about: the other host has no memory for the last member, from the beginning or when it comes to that: the group stays
# host: hosts=2 mem=1536
# set: long
# timeout: 900
import migrations

# A domain that leaves memory for one member.
FILL = """
free=$(xl info | awk '/^free_memory/ { print $3 }')
make_guest hog
sed -i "s/^memory = .*/memory = $((free - 150))/" hog.cfg
expect xl create -q -p hog.cfg
"""
EMPTY = "expect xl destroy hog; wait_for 30 gone hog"

# What the command that was begun has come to, when what it waited for goes on.
GO_ON = """
kill -USR1 $(cat /run/lab-tap.held)
ended() { ! pidof domgrp; }
wait_for 100 ended
cat migrate.out
grep -q 'migrate of shop failed and was undone: h2: .*not enough memory is free' migrate.out || fail 'it does not say why'
"""


def scenario(hosts):
    shop = migrations.Shop(hosts)
    shop.create()
    source, destination = hosts

    migrations.script(destination, FILL)
    for options in ("--dry-run", "", "--live"):
        migrations.script(source, "refuse 'h2: web of shop needs .* MiB, but of the' domgrp migrate %s shop h2" % options)
    migrations.script(destination, EMPTY)
    shop.judge(True)

    for moment in ("ACCEPT", "ACCEPT live"):
        shop.hold_at(moment)
        migrations.script(destination, FILL)
        migrations.script(source, GO_ON)
        migrations.script(destination, EMPTY)
        shop.judge(True)

    shop.migrate("--live")
