# SPDX-License-Identifier: LGPL-2.1-or-later
"""Save files of real guests, for tests: made once in an emulated host of their own, kept in build/lab/streams.

pv-a.save, pv-b.save  two PV guests with the same kernel, from `xl save`
pvh.save              a PVH guest, from `xl save`
pv-live.save          a PV guest that dirties memory, from `xl migrate`: pages repeat
"""

import os
import shutil

import host
import images

STREAMS = os.path.join(images.BUILD, "streams")
NAMES = ("pv-a.save", "pv-b.save", "pvh.save", "pv-live.save")
CAPTURE = os.path.join(images.LAB, "streams.sh")


def key():
    """What the files depend on: the guests, the tools that save them and how; not the rest of dom0."""
    kernel, _ = images.kernel("cloud-amd64")
    tools = [os.path.join(images.ROOT, images.XEN_BIN, tool) for tool in ("xl", "libxl-save-helper")]
    return images.digest_of([CAPTURE, kernel + ".key", images.guest_initramfs() + ".key"] + tools)


def capture(directory):
    """Boots a host, has it save guests on its disk, and copies the files out of that."""
    machine = host.Host("streams", mem=1536, cpu="qemu64,+rdrand,+svm,+npt")
    machine.boot(fresh=True)
    try:
        machine.put(CAPTURE, "/root/streams.sh")
        machine.run("env", "LAB_PATIENCE=%d" % host.PATIENCE, "bash", "/root/streams.sh", timeout=1200)
        machine.shut_down()
        for name in NAMES:
            machine.copy_from_disk("/streams/" + name, os.path.join(directory, name))
    finally:
        machine.power_off()
        shutil.rmtree(machine.dir)


def make():
    images.cached_directory(STREAMS, key(), capture)
