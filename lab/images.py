# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds what an emulated host boots: hypervisor, dom0 kernel and initramfs, guest kernel and initramfs.

Everything lands in build/lab and is rebuilt only when its inputs' contents changed. Inputs are the packages that
packaging/install-deps unpacked in build/lab/root, Debian's installed libraries, our builds, and this folder.
"""

import contextlib
import fcntl
import functools
import glob
import gzip
import hashlib
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys

LAB = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(LAB)
BUILD = os.path.join(TOP, "build", "lab")
ROOT = os.path.join(BUILD, "root")
STAGE = os.path.join(BUILD, "stage")
PLAIN = os.path.join(TOP, "build", "plain")     # userspace without sanitizers
XEN_OUT = os.path.join(TOP, "build", "xen", "out")

XEN_BIN = "usr/lib/xen-4.17/bin"
LIB_DIR = "usr/lib/x86_64-linux-gnu"

DOM0_MODULES = ["xen-evtchn", "xen-privcmd", "xen-gntdev", "xen-gntalloc", "xenfs", "virtio_pci", "virtio_console",
                "virtio_blk", "virtio_net", "crc32c_generic", "ext4", "loop", "bridge", "xen-netback", "xen-blkback"]
GUEST_MODULES = ["xen-netfront", "xen-blkfront"]

# Xen's tools in dom0: in the PATH, and where Debian has them.
XEN_TOOLS = ["xl", "xenstored", "xenconsoled", "xenconsole", "xen-init-dom0", "libxl-save-helper", "xenctx",
             "xen-diag", "lsevtchn", "xentop", "xenstore-control", "xenperf", "xentrace", "xen-hptool"]
XENSTORE_CLIENTS = ["xenstore", "xenstore-chmod", "xenstore-exists", "xenstore-list", "xenstore-ls", "xenstore-read",
                    "xenstore-rm", "xenstore-watch", "xenstore-write"]
# Programs that are built but not installed, and that scenarios or benchmarks run in dom0 (/usr/lib/domgrp-lab there).
LAB_PROGRAMS = ["bench/bench-*", "tests/**/lab-*", "tests/xendomgrp/xendomgrp-test"]
# The machine's own programs that make dom0 a place to work in.  Xen's block script needs flock.
HOST_TOOLS = ["/bin/bash", "/usr/bin/socat", "/usr/bin/strace", "/usr/bin/gdbserver", "/usr/bin/flock"]
TERMINALS = ["d/dumb", "l/linux", "s/screen", "s/screen-256color", "t/tmux", "t/tmux-256color", "v/vt100", "v/vt220",
             "x/xterm", "x/xterm-256color"]


class LabError(Exception):
    """One sentence for the person at the terminal."""


def say(text):
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def build_lock():
    """One builder at a time in build/lab."""
    os.makedirs(BUILD, exist_ok=True)
    with open(os.path.join(BUILD, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# ---- caching on content ----

def digest_file(digest, path):
    """Adds a file's name, mode and contents; of large ones (kernels, packages' files) size and time instead."""
    if os.path.islink(path):
        digest.update(("%s -> %s\n" % (path, os.readlink(path))).encode())
        return
    info = os.stat(path)
    if info.st_size < 1 << 23:
        with open(path, "rb") as file:
            digest.update(("%s %o\n" % (path, info.st_mode)).encode() + file.read())
    else:
        digest.update(("%s %o %d %d\n" % (path, info.st_mode, info.st_size, info.st_mtime_ns)).encode())


def digest_of(paths, *words):
    digest = hashlib.sha256(repr(words).encode())
    for path in paths:
        digest_file(digest, path)
    return digest.hexdigest()


def made_with(note, key):
    """Whether the file `note` holds this key."""
    if not os.path.exists(note):
        return False
    with open(note) as file:
        return file.read() == key


def cached(target, key, make):
    """Has make(temporary) write `target` anew unless it was made with the same key."""
    note = target + ".key"
    if os.path.exists(target) and made_with(note, key):
        return target
    say("lab: making %s" % os.path.relpath(target, TOP))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    make(target + ".new")
    os.replace(target + ".new", target)
    with open(note, "w") as file:
        file.write(key)
    return target


def cached_directory(target, key, make):
    """The same for a directory: make(temporary) fills it."""
    if made_with(os.path.join(target, "key"), key):
        return target
    say("lab: making %s" % os.path.relpath(target, TOP))
    for path in (target, target + ".new"):
        shutil.rmtree(path, ignore_errors=True)
    os.makedirs(target + ".new")
    make(target + ".new")
    with open(os.path.join(target + ".new", "key"), "w") as file:
        file.write(key)
    os.replace(target + ".new", target)
    return target


# ---- cpio archives: no root is needed, dom0 has devtmpfs ----

class Archive:
    """An initramfs in the making: add what it holds, then write it."""

    def __init__(self):
        self.entries = {}

    def _parents(self, name):
        parent = os.path.dirname(name)
        if parent and parent not in self.entries:
            self.directory(parent)

    def directory(self, name):
        self._parents(name)
        self.entries[name] = (0o040755, None, b"")

    def symlink(self, name, to):
        self._parents(name)
        self.entries[name] = (0o120777, None, to.encode())

    def text(self, name, text, mode=0o644):
        self._parents(name)
        self.entries[name] = (0o100000 | mode, None, text.encode())

    def file(self, name, source, mode=None):
        self._parents(name)
        mode = mode or (0o755 if os.access(source, os.X_OK) else 0o644)
        self.entries[name] = (0o100000 | mode, source, b"")

    def tree(self, source, prefix=""):
        """Everything below a directory."""
        for base, directories, files in os.walk(source):
            for entry in sorted(directories + files):
                path = os.path.join(base, entry)
                name = os.path.join(prefix, os.path.relpath(path, source))
                if os.path.islink(path):
                    self.symlink(name, os.readlink(path))
                elif os.path.isfile(path):
                    self.file(name, path)

    def libraries(self, without=()):
        """Adds the shared libraries that the programs in here need, unless they are here or in `without`."""
        programs = [source for _, source, _ in self.entries.values() if source and is_elf(source)]
        here = {os.path.basename(name) for name in [*self.entries, *without]}
        for library in sorted(library_closure(programs)):
            name = os.path.basename(library)
            if name not in here:
                self.file(os.path.join(LIB_DIR, name), os.path.realpath(library))

    def sources(self):
        return sorted(source for _, source, _ in self.entries.values() if source)

    def key(self):
        contents = sorted((name, mode, data) for name, (mode, _, data) in self.entries.items())
        return digest_of(self.sources(), contents)

    def write(self, path):
        with open(path, "wb") as out:
            for number, (name, (mode, source, data)) in enumerate(sorted(self.entries.items()), 1):
                if source:
                    with open(source, "rb") as file:
                        data = file.read()
                self._record(out, number, mode, name, data)
            self._record(out, 0, 0, "TRAILER!!!", b"")
            out.write(b"\0" * (-out.tell() % 512))

    @staticmethod
    def _record(out, number, mode, name, data):
        name = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + name)
        out.write(b"\0" * (-(6 + 13 * 8 + len(name)) % 4) + data + b"\0" * (-len(data) % 4))


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def library_closure(programs):
    """Paths of the shared libraries that programs need, found as the dynamic linker would find them."""
    found = set()
    if not programs:
        return found
    environment = dict(os.environ, LC_ALL="C")
    search = [os.path.join(tree, LIB_DIR) for tree in (STAGE, ROOT)]
    environment["LD_LIBRARY_PATH"] = ":".join(path for path in search if os.path.isdir(path))
    output = subprocess.run(["ldd"] + programs, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            text=True).stdout
    missing = re.findall(r"^\s*(\S+) => not found", output, re.M)
    if missing:
        raise LabError("library %s is on no disk of this machine: run packaging/install-deps" % missing[0])
    found.update(re.findall(r"(/\S+) \(0x", output))
    return found


# ---- parts ----

def unpacked(pattern):
    """The newest file of the unpacked packages that matches."""
    found = sorted(glob.glob(os.path.join(ROOT, pattern)), key=os.path.getmtime)
    if not found:
        raise LabError("build/lab/root has no %s: run `packaging/install-deps lab` first" % pattern)
    return found[-1]


def extract_kernel(image, target):
    """Writes the ELF inside a bzImage: neither Xen nor libxl then decompresses under emulation."""
    with open(image, "rb") as file:
        data = file.read()
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = ((data[0x1f1] or 4) + 1) * 512 + offset
    payload = data[start:start + length]
    if payload.startswith(b"\xfd7zXZ\0"):
        elf = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x02\x21\x4c\x18"):
        elf = subprocess.run(["lz4", "-dc"], input=payload[:-4], stdout=subprocess.PIPE, check=True).stdout
    else:
        raise LabError("%s: compressed in a way this lab does not know (xz and lz4 are)" % image)
    with open(target, "wb") as out:
        out.write(elf)


def kernel(flavour):
    """The ELF kernel and the version of a Debian flavour: "amd64" for dom0, "cloud-amd64" for guests."""
    exact = [path for path in glob.glob(os.path.join(ROOT, "boot", "vmlinuz-*-" + flavour))
             if flavour.startswith("cloud") or "-cloud-" not in path]
    if not exact:
        raise LabError("build/lab/root has no kernel %s: run `packaging/install-deps lab` first" % flavour)
    image = max(exact, key=os.path.getmtime)
    target = os.path.join(BUILD, "vmlinux-" + flavour)
    version = os.path.basename(image)[len("vmlinuz-"):]
    return cached(target, digest_of([image]), lambda new: extract_kernel(image, new)), version


def module_order(version, wanted):
    """Paths below ROOT of the wanted modules and what they need, in the order to load them (depmod's)."""
    base = os.path.join(ROOT, "lib/modules", version)
    table = os.path.join(base, "modules.dep")
    if not os.path.exists(table):
        subprocess.run([shutil.which("depmod") or "/sbin/depmod", "-b", ROOT, version], check=True,
                       stderr=subprocess.DEVNULL)
    needs, by_name = {}, {}
    with open(table) as file:
        for line in file:
            path, _, rest = line.partition(":")
            needs[path] = rest.split()
            by_name[os.path.basename(path).split(".ko")[0].replace("-", "_")] = path
    order = []

    def add(path):
        if path in order:
            return
        for need in needs[path]:
            add(need)
        order.append(path)

    for name in wanted:
        path = by_name.get(name.replace("-", "_"))
        if path:    # else it is built into the kernel
            add(path)
    return [os.path.join("lib/modules", version, path) for path in order]


def add_modules(archive, version, wanted):
    order = module_order(version, wanted)
    for path in order:
        archive.file(path, os.path.join(ROOT, path))
    archive.text("lib/modules/order", "".join("/%s\n" % path for path in order))


def static_program(name, source):
    target = os.path.join(BUILD, name)
    command = ["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-static", "-pthread", "-s", "-o"]

    def compile_to(new):
        subprocess.run(command + [new, source], check=True)

    return cached(target, digest_of([source], command), compile_to)


def add_busybox(archive):
    busybox = shutil.which("busybox")
    if not busybox:
        raise LabError("busybox is missing: run `packaging/install-deps lab` first")
    archive.file("bin/busybox", busybox)
    names = subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    for name in names:
        if name != "busybox":
            archive.symlink("bin/" + name, "busybox")


def guest_initramfs():
    init = static_program("guest-init", os.path.join(LAB, "guest", "init.c"))
    _, version = kernel("cloud-amd64")
    archive = Archive()
    for directory in ("dev", "proc", "run", "sys", "tmp"):
        archive.directory(directory)
    add_busybox(archive)
    archive.file("init", init)
    archive.symlink("sbin/poweroff", "/init")
    archive.symlink("sbin/reboot", "/init")
    add_modules(archive, version, GUEST_MODULES)
    return cached(os.path.join(BUILD, "guest.cpio"), archive.key(), archive.write)


def add_xen_tools(archive):
    for tool in XEN_TOOLS:
        archive.file(os.path.join(XEN_BIN, tool), os.path.join(ROOT, XEN_BIN, tool))
        archive.symlink(os.path.join("usr/sbin", tool), os.path.join("/", XEN_BIN, tool))
    for tool in XENSTORE_CLIENTS:
        path = os.path.join(ROOT, "usr/bin", tool)
        if os.path.islink(path):
            archive.symlink("usr/bin/" + tool, os.readlink(path))
        elif os.path.exists(path):
            archive.file("usr/bin/" + tool, path)
    archive.tree(os.path.join(ROOT, "etc/xen/scripts"), "etc/xen/scripts")
    completion = "usr/share/bash-completion/completions/xl"
    archive.file(completion, os.path.join(ROOT, completion))


def ssh_keys():
    """The keys of all hosts of this lab: of their sshd, and of their roots. They are good for nothing else."""
    keygen = os.path.join(ROOT, "usr/bin/ssh-keygen")
    if not os.path.exists(keygen):
        raise LabError("build/lab/root has no ssh-keygen: run `packaging/install-deps lab` first")

    def generate(new):
        for name in ("host", "root"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-C", "domgrp-lab", "-f", os.path.join(new, name)],
                           check=True)

    return cached_directory(os.path.join(BUILD, "ssh"), "1", generate)


def read_text(path):
    with open(path) as file:
        return file.read()


def add_ssh(archive):
    """Root of one host reaches root of another without a question: ssh h2 true."""
    keys = ssh_keys()
    for program in ("usr/bin/ssh", "usr/sbin/sshd"):
        archive.file(program, os.path.join(ROOT, program))
    archive.file("etc/ssh/ssh_host_ed25519_key", os.path.join(keys, "host"), 0o600)
    archive.file("root/.ssh/id_ed25519", os.path.join(keys, "root"), 0o600)
    archive.text("root/.ssh/authorized_keys", read_text(os.path.join(keys, "root.pub")))
    archive.text("root/.ssh/known_hosts", "* " + read_text(os.path.join(keys, "host.pub")))


def dom0_base():
    """The part of dom0's initramfs that does not change while domgrp is worked on."""
    _, version = kernel("amd64")
    guest_kernel, _ = kernel("cloud-amd64")
    archive = Archive()
    for directory in ("dev", "mnt", "proc", "root", "run", "sys", "tmp", "var/lib/xen", "var/lib/xenstored",
                      "var/log/xen/console", "var/lib/xen/dump"):
        archive.directory(directory)
    archive.symlink("var/run", "/run")
    archive.symlink("var/lock", "/run/lock")
    add_busybox(archive)
    add_xen_tools(archive)
    add_ssh(archive)
    add_modules(archive, version, DOM0_MODULES)
    for tool in HOST_TOOLS:
        if os.path.exists(tool):
            archive.file(tool.lstrip("/"), os.path.realpath(tool))
    for terminal in TERMINALS:
        if os.path.exists("/lib/terminfo/" + terminal):
            archive.file("lib/terminfo/" + terminal, os.path.realpath("/lib/terminfo/" + terminal))
    archive.file("usr/sbin/lab-agent", static_program("lab-agent", os.path.join(LAB, "dom0", "agent.c")))
    archive.file("init", os.path.join(LAB, "dom0", "init"))
    archive.file("lab/guest/vmlinux", guest_kernel)
    archive.file("lab/guest/initramfs", guest_initramfs())
    archive.libraries()
    archive.symlink("lib64/ld-linux-x86-64.so.2", "/%s/ld-linux-x86-64.so.2" % LIB_DIR)
    # Loaded by name at run time: thread cancellation, user names.
    for library in ("libgcc_s.so.1", "libnss_files.so.2"):
        path = os.path.join("/", LIB_DIR, library)
        path = path if os.path.exists(path) else os.path.join("/lib/x86_64-linux-gnu", library)
        if os.path.exists(path):
            archive.file(os.path.join(LIB_DIR, library), os.path.realpath(path))
    return cached(os.path.join(BUILD, "dom0-base.cpio"), archive.key(), archive.write)


def quietly(command, log):
    """Runs a build step; its output goes to a log, of which the end is shown if it fails."""
    with open(log, "a+") as file:
        if subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=file, stderr=file).returncode == 0:
            return
        file.seek(0)
        sys.stderr.write("".join(file.readlines()[-40:]))
    raise LabError("`%s` failed; its whole output: %s" % (" ".join(command), os.path.relpath(log, TOP)))


def stage():
    """Builds userspace and installs it below build/lab/stage, with the programs that only the lab uses."""
    log = os.path.join(BUILD, "stage.log")
    if os.path.exists(log):
        os.unlink(log)
    if not os.path.exists(os.path.join(PLAIN, "build.ninja")):
        say("lab: configuring build/plain")
        quietly(["meson", "setup", PLAIN, TOP, "--prefix=/usr", "--sysconfdir=/etc", "--localstatedir=/var"], log)
    quietly(["ninja", "-C", PLAIN] + (["-j", os.environ["JOBS"]] if "JOBS" in os.environ else []), log)
    shutil.rmtree(STAGE, ignore_errors=True)
    os.makedirs(STAGE)
    quietly(["meson", "install", "-C", PLAIN, "--no-rebuild", "--quiet", "--destdir", STAGE], log)
    for pattern in LAB_PROGRAMS:
        for path in glob.glob(os.path.join(PLAIN, pattern), recursive=True):
            if os.path.isfile(path) and os.access(path, os.X_OK):
                target = os.path.join(STAGE, "usr/lib/domgrp-lab", os.path.basename(path))
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copy2(path, target)


def dom0_ours():
    """The part of dom0's initramfs that is ours."""
    if os.environ.get("LAB_AS_BUILT") != "1":
        stage()
    archive = Archive()
    archive.tree(STAGE)
    archive.libraries(without=library_closure([os.path.join(ROOT, XEN_BIN, "xl")]))
    archive.tree(os.path.join(LAB, "dom0", "bin"), "usr/bin")
    archive.tree(os.path.join(LAB, "dom0", "etc"), "etc")
    archive.file("lab/scenario.sh", os.path.join(LAB, "scenario.sh"))
    archive.file("lab/demo.sh", os.path.join(LAB, "demo.sh"))
    archive.tree(os.path.join(TOP, "examples"), "root/examples")
    return cached(os.path.join(BUILD, "dom0-ours.cpio"), archive.key(), archive.write)


@functools.cache
def dom0_initramfs():
    """Once in a process: what a run boots again is the same."""
    base, ours = dom0_base(), dom0_ours()

    def join(new):
        with open(new, "wb") as out:
            for part in (base, ours):
                with open(part, "rb") as file:
                    shutil.copyfileobj(file, out)

    return cached(os.path.join(BUILD, "dom0.cpio"), digest_of([base + ".key", ours + ".key"]), join)


def stock_hypervisor():
    image = unpacked("boot/xen-4.17-amd64.gz")

    def gunzip(new):
        with gzip.open(image) as source, open(new, "wb") as out:
            shutil.copyfileobj(source, out)

    return cached(os.path.join(BUILD, "xen-stock"), digest_of([image]), gunzip)


def own_hypervisor():
    """The hypervisor with domain groups, as hypervisor/build left it, or None before it was built."""
    image = os.path.join(XEN_OUT, "xen")
    return image if os.path.exists(image) else None


def hypervisor(kind):
    if kind == "stock":
        return stock_hypervisor()
    image = own_hypervisor()
    if not image:
        raise LabError("build/xen/out/xen is missing: run `hypervisor/build build/xen/out`, or use --xen stock")
    return image


def disk(path, size="4G"):
    """A host's disk: an empty ext4 that persists until it is removed."""
    if not os.path.exists(path):
        mke2fs = shutil.which("mke2fs") or "/sbin/mke2fs"
        subprocess.run([mke2fs, "-q", "-F", "-t", "ext4", "-E",
                        "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0", path + ".new", size],
                       check=True, stdout=subprocess.DEVNULL)
        os.replace(path + ".new", path)
    return path


@functools.cache
def build(kind):
    """Everything a host with that kind of hypervisor boots: (hypervisor, dom0 kernel, dom0 initramfs)."""
    with build_lock():
        return hypervisor(kind), kernel("amd64")[0], dom0_initramfs()
