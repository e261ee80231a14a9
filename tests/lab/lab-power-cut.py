# SPDX-License-Identifier: LGPL-2.1-or-later
# about: two hosts see each other; what one wrote to its disk survives the loss of its power
# host: xen=stock hosts=2 daemon=no mem=1024


def scenario(hosts):
    one, two = hosts
    one.run("ping", "-c", "1", "-W", "10", "h2")
    two.run("head -c 8M /dev/urandom > /tmp/data; socat -u FILE:/tmp/data TCP-LISTEN:99 > /dev/null 2>&1 &")
    sums = two.run("sha256sum < /tmp/data").out
    got = one.run("socat -u TCP:h2:99,retry=50,interval=0.1 - | sha256sum").out
    assert got == sums, "the network changed 8 MiB of data"

    one.run("echo written > /mnt/file; sync; echo lost > /tmp/file")
    one.power_off()
    two.run("! ping -c 1 -W 2 h1")
    one.boot()
    assert one.run("cat /mnt/file").out == "written\n"
    one.run("test ! -e /tmp/file")
    one.run("rm /mnt/file")
