# SPDX-License-Identifier: LGPL-2.1-or-later
# about: every fault at every message of a migration: no member is lost, none is doubled
# host: hosts=2 mem=1536
# timeout: 3000
# set: long
import migrations


def scenario(hosts):
    migrations.survive_all(hosts, [(moment, fault) for moment in migrations.MOMENTS for fault in migrations.FAULTS])
