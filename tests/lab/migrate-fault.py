# SPDX-License-Identifier: LGPL-2.1-or-later
# about: one fault in each phase of a migration: no member is lost, none is doubled
# host: hosts=2 mem=1536
# timeout: 900
import migrations


def scenario(hosts):
    migrations.survive_all(hosts, [
        ("ACCEPT", "kill destination"), ("DATA live", "cut"), ("DATA", "kill source"), ("READY", "power off source"),
        ("COMMIT", "cut"), ("DONE", "power off destination"), ("FORGET", "kill source")])
