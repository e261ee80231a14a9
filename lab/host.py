# SPDX-License-Identifier: LGPL-2.1-or-later
"""An emulated host: QEMU without hardware virtualisation, running Xen and a Linux dom0.

Host is what scenarios use: boot it, run commands in its dom0, cut its power, boot it again with its disk.
QEMU never outlives the process that booted it. A second process reaches a booted host through its control socket
(attach), which speaks the frames that lab/dom0/agent.c describes, one connection for each command.
"""

import ctypes
import os
import queue
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import images
from images import BUILD, LabError

LOGS = os.path.join(BUILD, "logs")
HOSTS = os.path.join(BUILD, "hosts")
# All time-outs are multiplied by it: for slow or busy machines.
PATIENCE = int(os.environ.get("LAB_PATIENCE", "1"))
BOOT_TIMEOUT = 120
XEN_OPTIONS = ("console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all spec-ctrl=no "
               "dom0_mem={dom0_mem}M,max:{dom0_mem}M")
DOM0_OPTIONS = "console=hvc0 mitigations=off cryptomgr.notests loglevel=5 panic=-1 lab.name={hostname} lab.address={address}"
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def die_with_parent():
    """Called in a child: it is killed when the thread that started it ends, however that happens."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(1)


def end_with_parent():
    """This process is asked to end when the one that started it ends, so that it can end its hosts."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


# ---- frames and channels (lab/dom0/agent.c has the format) ----

def send_frame(sock, channel, kind, data=b""):
    sock.sendall(struct.pack("<II", channel, ord(kind) << 24 | len(data)) + data)


def receive_exactly(sock, length):
    parts = []
    while length:
        part = sock.recv(min(length, 1 << 16))
        if not part:
            raise EOFError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def receive_frame(sock):
    channel, word = struct.unpack("<II", receive_exactly(sock, 8))
    return channel, chr(word >> 24), receive_exactly(sock, word & 0xffffff)


def open_request(argv, terminal=None):
    columns, rows = terminal or (0, 0)
    return b"\0".join([b"%d %d" % (columns, rows)] + [os.fsencode(word) for word in argv]) + b"\0"


class Channel:
    """One command in a dom0: frames for it are sent with send(), frames from it come out of frames."""

    def __init__(self, send, close):
        self.send = send
        self.close = close
        self.frames = queue.Queue()     # (kind, data); kind None: the host is gone

    def feed(self, source):
        """Sends a file object or bytes as the command's whole input."""
        if isinstance(source, bytes):
            for start in range(0, len(source), 32768):
                self.send("i", source[start:start + 32768])
        else:
            while data := source.read(32768):
                self.send("i", data)
        self.send("i")


class AgentLink:
    """The connection to a host's agent; carries any number of channels."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.lock = threading.Lock()
        self.channels = {}
        self.last_channel = 0
        self.started = threading.Event()
        self.ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def open(self, argv, terminal=None):
        with self.lock:
            self.last_channel += 1
            number = self.last_channel

        def send(kind, data=b""):
            try:
                with self.lock:
                    send_frame(self.sock, number, kind, data)
            except OSError:
                pass    # the reader reports that the host is gone

        channel = Channel(send, lambda: self.channels.pop(number, None))
        self.channels[number] = channel
        if self.ended:
            channel.frames.put((None, b""))
        send("o", open_request(argv, terminal))
        return channel

    def _read(self):
        try:
            while True:
                number, kind, data = receive_frame(self.sock)
                if kind == "h":
                    self.started.set()
                elif number in self.channels:
                    self.channels[number].frames.put((kind, data))
        except (EOFError, OSError):
            pass
        self.ended = True
        for channel in list(self.channels.values()):
            channel.frames.put((None, b""))

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return "Result(status=%d, out=%r, err=%r)" % (self.status, self.out, self.err)


class CommandFailed(LabError):
    pass


class Commands:
    """Running commands in a dom0; needs open(argv, terminal) -> Channel, and name."""

    def start(self, *argv, terminal=None):
        """Starts a command: one string is a shell command, several are its words. Returns its Channel."""
        if len(argv) == 1:
            argv = ("/bin/sh", "-c", argv[0])
        if terminal:
            argv = ("env", "TERM=" + os.environ.get("TERM", "dumb"), *argv)
        return self.open(argv, terminal)

    def run(self, *argv, stdin=b"", timeout=60, check=True, on_output=None):
        """Runs a command to its end. Raises CommandFailed if it fails (unless check=False), does not end within
        timeout seconds, or the host goes away. on_output(kind, bytes) sees output as it comes, '1' or '2'."""
        channel = self.start(*argv)
        threading.Thread(target=channel.feed, args=(stdin,), daemon=True).start()
        parts = {"1": [], "2": []}
        deadline = time.monotonic() + timeout * PATIENCE
        try:
            while True:
                try:
                    kind, data = channel.frames.get(timeout=max(0, deadline - time.monotonic()))
                except queue.Empty:
                    channel.send("s", bytes([signal.SIGKILL]))
                    raise CommandFailed("%s: %s: not done after %g s%s" % (
                        self.name, " ".join(argv), timeout * PATIENCE, tail(parts))) from None
                if kind is None:
                    raise CommandFailed("%s: %s: the host went away%s" % (self.name, " ".join(argv), self.last_words()))
                if kind == "x":
                    break
                parts[kind].append(data)
                if on_output:
                    on_output(kind, data)
        finally:
            channel.close()
        result = Result(int(data), *(b"".join(parts[kind]).decode(errors="replace") for kind in "12"))
        if check and result.status:
            raise CommandFailed("%s: %s: exit status %d%s" % (self.name, " ".join(argv), result.status, tail(parts)))
        return result

    def last_words(self):
        """What Xen or dom0 said when it crashed, for a message; "" if nothing."""
        try:
            with open(os.path.join(LOGS, self.name + ".log"), errors="replace") as file:
                text = file.read()
        except OSError:
            return ""
        crash = re.search(r"^\(XEN\) Panic on CPU.*\n\(XEN\) (.*)|Kernel panic - (.*)", text, re.M)
        return ": " + (crash[1] or crash[2]) if crash else ""

    def put(self, source, target, mode=None):
        """Copies a file of this machine (path, or bytes) into dom0."""
        if isinstance(source, bytes):
            self._put(source, target)
        else:
            with open(source, "rb") as file:
                self._put(file, target)
            mode = mode or (0o755 if os.access(source, os.X_OK) else 0o644)
        if mode:
            self.run("chmod", "%o" % mode, target)

    def _put(self, stdin, target):
        self.run("/bin/sh", "-c", 'mkdir -p "${0%/*}" && cat > "$0.new" && mv "$0.new" "$0"', target, stdin=stdin,
                 timeout=300)

    def get(self, source, target):
        """Copies a file of dom0 to this machine."""
        with open(target, "wb") as file:
            self.run("cat", source, timeout=300, on_output=lambda kind, data: kind == "1" and file.write(data))


def tail(parts):
    text = b"".join(parts["1"] + parts["2"]).decode(errors="replace").strip()
    return "\n" + text[-2000:] if text else ""


# ---- hosts ----

class Host(Commands):
    """One emulated host. Its disk and its consoles' log are named after it.

    name     also its place: build/lab/hosts/NAME (disk, sockets), build/lab/logs/NAME.log (consoles)
    mem, smp the emulated machine's memory in MiB and processors; dom0_mem: dom0's part of the memory in MiB
    xen      "domgrp" (ours) or "stock" (Debian's)
    net      None, or a Network that several hosts share; number: its place there, 10.0.0.<number>
    disks    images that are further disks (/dev/vdb, ...); what is written to them is lost
    shared   likewise, after those, but written to, and several hosts may have them at once
    counted  its clock counts instructions (2 ns each): times are the same however busy this machine is; smp=1 only
    """

    def __init__(self, name="h1", mem=2048, smp=1, xen="domgrp", dom0_mem=640, net=None, number=1, cpu="qemu64,+rdrand",
                 xen_options="", dom0_options="", counted=False, disks=(), shared=()):
        self.name, self.mem, self.smp, self.xen, self.dom0_mem = name, mem, smp, xen, dom0_mem
        self.net, self.number, self.cpu = net, number, cpu
        self.xen_options, self.dom0_options, self.counted = xen_options, dom0_options, counted
        self.disks, self.shared = disks, shared
        self.dir = os.path.join(HOSTS, name)
        self.log = os.path.join(LOGS, name + ".log")
        self.disk = os.path.join(self.dir, "disk")
        self.qemu = self.agent = self.server = None
        self.boot_seconds = None

    def hostname(self):
        """What dom0 calls itself: what the other hosts of its network call it, if there are any."""
        return "h%d" % self.number if self.net else self.name

    def command_line(self):
        hypervisor, kernel, initramfs = images.build(self.xen)
        values = vars(self) | {"address": "10.0.0.%d" % self.number, "hostname": self.hostname()}
        xen_options = (XEN_OPTIONS.format(**values) + " " + self.xen_options).strip()
        dom0_options = (DOM0_OPTIONS.format(**values) + " " + self.dom0_options).strip()
        command = ["qemu-system-x86_64", "-name", self.name, "-machine", "pc", "-accel", "tcg,thread=" + ("single" if self.counted else "multi"),
                   "-cpu", self.cpu, "-smp", str(self.smp), "-m", str(self.mem), "-nodefaults", "-no-user-config",
                   "-display", "none", "-no-reboot", "-serial", "file:" + self.log,
                   "-kernel", hypervisor, "-append", xen_options,
                   "-initrd", "%s %s,%s" % (kernel, dom0_options.replace(",", ",,"), initramfs),
                   "-drive", "if=none,id=disk,format=raw,cache=unsafe,file=" + self.disk,
                   "-device", "virtio-blk-pci,drive=disk",
                   "-device", "virtio-serial-pci",
                   "-chardev", "socket,id=agent,server=on,wait=off,path=" + self.path("agent"),
                   "-device", "virtserialport,chardev=agent,name=org.domgrp.lab",
                   "-qmp", "unix:%s,server=on,wait=off" % self.path("qmp")]
        for disk in self.disks:
            command += ["-drive", "if=virtio,format=raw,snapshot=on,file=" + disk]
        for disk in self.shared:
            command += ["-drive", "if=virtio,format=raw,cache=unsafe,file.locking=off,file=" + disk]
        if self.counted:
            command += ["-icount", "shift=1"]
        if self.net:
            command += self.net.options(self.number)
        return command

    def path(self, name):
        """Sockets' paths are short, whatever this tree's path: AF_UNIX allows 107 bytes."""
        return os.path.relpath(os.path.join(self.dir, name), images.TOP)

    def start_boot(self, fresh=False):
        """Begins to boot; call from the main thread. fresh: with an empty disk."""
        os.makedirs(self.dir, exist_ok=True)
        os.makedirs(LOGS, exist_ok=True)
        if fresh and os.path.exists(self.disk):
            os.unlink(self.disk)
        images.disk(self.disk)
        for name in ("agent", "qmp", "control"):
            if os.path.exists(os.path.join(self.dir, name)):
                os.unlink(os.path.join(self.dir, name))
        command = self.command_line()
        if os.path.exists(self.log):
            os.replace(self.log, self.log + ".old")
        self.boot_started = time.monotonic()
        with open(os.path.join(LOGS, self.name + ".qemu.log"), "w") as log:
            self.qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=images.TOP,
                                         preexec_fn=die_with_parent)
        with open(os.path.join(self.dir, "pid"), "w") as file:
            file.write("%d\n" % self.qemu.pid)

    def finish_boot(self, timeout=BOOT_TIMEOUT):
        """Waits until commands can run in dom0."""
        deadline = time.monotonic() + timeout * PATIENCE
        while self.agent is None:    # QEMU listens within milliseconds of its start
            self._check_booting(deadline)
            try:
                with in_top():
                    self.agent = AgentLink(self.path("agent"))
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.01)
        while not self.agent.started.wait(0.2):
            self._check_booting(deadline)
        self.boot_seconds = time.monotonic() - self.boot_started
        self._serve_control()

    def _check_booting(self, deadline):
        if self.qemu.poll() is not None:
            raise LabError("%s: the emulator ended while booting; its log: %s" % (self.name, self.log))
        if time.monotonic() > deadline:
            self.power_off()
            raise LabError("%s: dom0 is not up in time; its log: %s" % (self.name, self.log))

    def boot(self, fresh=False, timeout=BOOT_TIMEOUT):
        self.start_boot(fresh)
        self.finish_boot(timeout)

    def open(self, argv, terminal=None):
        if not self.agent:
            raise LabError("%s is not booted" % self.name)
        return self.agent.open(argv, terminal)

    def alive(self):
        return self.qemu is not None and self.qemu.poll() is None

    def power_off(self):
        """Cuts the power: what dom0 had not written to its disk is lost."""
        if self.server:
            self.server.close()
            self.server = None
        if self.qemu and self.qemu.poll() is None:
            self.qemu.kill()
        if self.qemu:
            self.qemu.wait()
        if self.agent:
            self.agent.close()
            self.agent = None
        self.qemu = None
        for name in ("agent", "qmp", "control", "pid"):
            if os.path.exists(os.path.join(self.dir, name)):
                os.unlink(os.path.join(self.dir, name))

    def shut_down(self, timeout=30):
        """Stops dom0 in an orderly way: its disk is written."""
        self.start("sync; umount /var/lib/domgrp /mnt; poweroff -f")
        try:
            self.qemu.wait(timeout)
        except subprocess.TimeoutExpired:
            pass
        self.power_off()

    def copy_from_disk(self, source, target):
        """Copies a file out of the disk of a host that was shut down: much faster than get(). source: its path on the
        disk, which dom0 has on /mnt."""
        debugfs = shutil.which("debugfs") or "/sbin/debugfs"
        if os.path.exists(target):
            os.unlink(target)
        result = subprocess.run([debugfs, "-R", "dump %s %s" % (source, target), self.disk], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)
        if not os.path.exists(target) or os.path.getsize(target) == 0:
            raise LabError("%s: its disk has no %s: %s" % (self.name, source, result.stderr.strip()))

    def xen_log(self):
        with open(self.log, errors="replace") as file:
            return file.read()

    # The control socket: other processes' way to this host.

    def _serve_control(self):
        self.server = socket.socket(socket.AF_UNIX)
        with in_top():
            self.server.bind(self.path("control"))
        self.server.listen(32)
        threading.Thread(target=self._accept, args=(self.server,), daemon=True).start()

    def _accept(self, server):
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_client, args=(client,), daemon=True).start()

    def _serve_client(self, client):
        channel = None

        def pump():
            try:
                while True:
                    kind, data = channel.frames.get()
                    if kind is None:
                        break
                    send_frame(client, 0, kind, data)
                    if kind == "x":
                        break
            except OSError:
                pass
            shut(client)

        try:
            _, kind, data = receive_frame(client)
            words = data.split(b"\0")
            columns, rows = map(int, words[0].split())
            channel = self.open(words[1:-1], (columns, rows) if columns else None)
            threading.Thread(target=pump, daemon=True).start()
            while True:
                _, kind, data = receive_frame(client)
                channel.send(kind, data)
        except (EOFError, OSError, LabError, ValueError):
            pass
        if channel:
            channel.send("s", bytes([signal.SIGKILL]))
            channel.close()
        client.close()


def shut(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class in_top:
    """Within it the working directory is the tree's top, so that sockets have short paths."""

    lock = threading.Lock()

    def __enter__(self):
        in_top.lock.acquire()
        self.before = os.getcwd()
        os.chdir(images.TOP)

    def __exit__(self, *_):
        os.chdir(self.before)
        in_top.lock.release()


class Attached(Commands):
    """A host that another process booted."""

    def __init__(self, name="h1"):
        self.name = name
        if not os.path.exists(os.path.join(HOSTS, name, "control")):
            raise LabError("%s is not up: `lab/lab up -d --name %s` boots it" % (name, name))

    def open(self, argv, terminal=None):
        sock = socket.socket(socket.AF_UNIX)
        try:
            with in_top():
                sock.connect(os.path.relpath(os.path.join(HOSTS, self.name, "control"), images.TOP))
        except ConnectionRefusedError:
            raise LabError("%s is no longer up: `lab/lab up -d --name %s` boots it" % (self.name, self.name)) from None

        def send(kind, data=b""):
            try:
                send_frame(sock, 0, kind, data)
            except OSError:
                pass

        channel = Channel(send, lambda: shut(sock))

        def read():
            try:
                while True:
                    channel.frames.put(receive_frame(sock)[1:])
            except (EOFError, OSError):
                channel.frames.put((None, b""))

        send("o", open_request(argv, terminal))
        threading.Thread(target=read, daemon=True).start()
        return channel


class Network:
    """A wire between emulated hosts: every host sends to a loopback multicast group of this runner's own."""

    def __init__(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def options(self, number):
        return ["-netdev", "socket,id=net,mcast=239.192.77.1:%d,localaddr=127.0.0.1" % self.port,
                "-device", "virtio-net-pci,netdev=net,mac=52:54:00:d0:00:%02x" % number]
