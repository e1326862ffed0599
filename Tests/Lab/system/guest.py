"""One boot of the full guest, driven from here: commands, the journal, cards plugged and pulled."""

import dataclasses
import json
import os
import re
import shlex
import socket
import tempfile
import threading
import time

import debian
from machine import Machine
from qmp import QMP

from . import boot

# Room for a card that comes later: the firmware gives an empty port's window no more than it asks for.
PORTS = ("pcie-root-port,id=port1,bus=pcie.0,addr=01.0,chassis=1,slot=1,mem-reserve=64M",
         "pcie-root-port,id=port2,bus=pcie.0,addr=02.0,chassis=2,slot=2,mem-reserve=64M")
# Far from the slots of the ports: the cards' addresses don't depend on it.
DISK = "virtio-blk-pci,drive=disk,bus=pcie.0,addr=1e.0"
# Slot → address: buses are numbered by the order of the ports.
ADDRESS = {1: "0000:01:00.0", 2: "0000:02:00.0"}
# The next function of slot 1's card, if it has one.
SIBLING = "0000:01:00.1"
# Of a journal entry: all of them are ten times as much, on a serial line.
FIELDS = ("MESSAGE,MESSAGE_ID,PRIORITY,ERRNO,UNIT,JOB_RESULT,_SYSTEMD_UNIT,_SOURCE_MONOTONIC_TIMESTAMP,"
          "APERTURED_GPU,APERTURED_CODE,APERTURED_STEP,APERTURED_DEVICE,APERTURED_BAR")


class Broken(Exception):
    """The machine did not come up, stopped answering, or ended early."""


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    text: str


class Guest:
    """A context manager: the machine is gone when it ends, whichever way."""

    def __init__(self, kernel, disk, log, cards=("bochs-display", "bochs-display"), iommu="intel", arguments="",
                 files=None, texts=None, deadline=600, devices=(), settings=(), patience=300,
                 again=False, own=None):
        """`cards` go into slots 1, 2, … as card1, card2, …; None leaves one empty. `devices`: QEMU's words for more.
        `settings`: its -global ones. `patience`: seconds until the shell is there. `again`: with what it boots from
        in /run/lab, as linux and initramfs. `own`: an initramfs of the system's own, which boots it instead of the lab's.
        `log`: a path without ending."""
        self._kernel = kernel
        self._folder = tempfile.TemporaryDirectory(prefix="lab-")
        self._shell_path = os.path.join(self._folder.name, "shell")
        archive = os.path.join(self._folder.name, "initramfs")
        if again:
            boot.build(inner := f"{archive}.inner", kernel, files, texts)
            files = {**(files or {}), "linux": kernel.image, "initramfs": inner}
        if own:
            archive, arguments = own, f"root=/dev/vda rw {arguments}"
        else:
            boot.build(archive, kernel, files, texts)
        plugged = [self._card(slot, card) for slot, card in enumerate(cards, start=1) if card]
        self._machine = Machine(kernel.image, archive, f"{log}.console", devices=[*PORTS, DISK, *plugged, *devices],
                                iommu=iommu, arguments=arguments, memory=1024, deadline=deadline,
                                # The second serial port is a shell here, and its other end a socket.
                                report=f"socket,path={self._shell_path},server=on,wait=off")
        self._machine.command += ["-drive", f"if=none,id=disk,format=raw,cache=unsafe,file={disk}"]
        for setting in settings:
            self._machine.command += ["-global", setting]
        self._patience = patience
        self._told = {}
        self._log = open(f"{log}.log", "a", encoding="utf-8")
        self._pending = b""
        self._shell = None
        self._qmp = None
        self.seconds_to_boot = None

    @staticmethod
    def _card(slot, card):
        return f"{card},id=card{slot},bus=port{slot},addr=00.0"

    def __enter__(self):
        started = time.monotonic()
        self._thread = threading.Thread(target=lambda: list(self._machine.lines()), daemon=True)
        self._thread.start()
        try:
            self._connect()
            self._await_shell()
        except BaseException:
            self.__exit__()
            raise
        self.seconds_to_boot = time.monotonic() - started
        self._note(f"# up after {self.seconds_to_boot:.0f} seconds")
        return self

    def __exit__(self, *_):
        self._last_words()
        if self._qmp is None and self._thread.is_alive():
            try:
                self._control()
            except OSError:
                pass  # too early or too late: the deadline ends it
        if self._thread.is_alive() and self._qmp:
            try:
                self._qmp.execute("quit")
            except (OSError, RuntimeError, ValueError):
                pass  # it was ending by itself
        self._thread.join()
        for open_one in (self._qmp, self._shell):
            try:
                if open_one:
                    open_one.__exit__(None, None, None)
            except OSError:
                pass  # a machine that died has closed its ends, with something of ours unread
        if self._machine.end:
            self._note(f"# the machine: {self._machine.end}")
        self._log.close()
        self._folder.cleanup()

    # --- the shell ---------------------------------------------------------------------------------------------------

    def run(self, command, seconds=120):
        """What the command prints, both streams, and its status."""
        assert "\n" not in command, "one line: the agent reads lines"
        self._note(f"$ {command}")
        self._shell.sendall(command.encode() + b"\n")
        text, match = self._until(rb"\n@@end (\d+)\n", seconds)
        answer = Answer(int(match[1]), text.decode(errors="replace").replace("\r", "").strip("\n"))
        self._note(answer.text + (f"\n# status {answer.status}" if answer.status else ""))
        return answer

    def text(self, command, seconds=120):
        return self.run(command, seconds).text

    def until(self, command, seconds=60):
        """Whether the command succeeds within that time, tried inside the guest: a second there is not one here."""
        tries = max(1, int(seconds * 5))
        words = f"n=0; until {command}; do n=$((n+1)); [ $n -lt {tries} ] || exit 1; sleep 0.2; done >/dev/null 2>&1"
        return self.run(words, seconds * 4 + 60).status == 0

    def read(self, path):
        return self.text(f"cat {shlex.quote(path)}")

    def uptime(self):
        """Seconds since the guest's boot, by its own clock: an emulated one is not this machine's."""
        return float(self.read("/proc/uptime").split()[0])

    # --- the journal -------------------------------------------------------------------------------------------------

    def journal(self, *matches, boot=0):
        """A boot's entries, oldest first, as dictionaries: `journalctl -o json` of the given matches. 0 is this boot, -1
        the one before it."""
        words = " ".join(match if match == "+" else shlex.quote(match) for match in matches)
        text = self.text(f"journalctl --sync; journalctl -b {boot} -o json --output-fields={FIELDS} --no-pager {words}")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    # --- cards -------------------------------------------------------------------------------------------------------

    def plug(self, slot, card="bochs-display"):
        self._note(f"# plug {card} into slot {slot}")
        self._ask("device_add", driver=card, id=f"card{slot}", bus=f"port{slot}", addr="00.0")

    def pull(self, slot):
        """Asks the guest for the card, as a finger on the slot's button does; the guest answers in its own time."""
        self._note(f"# pull the card from slot {slot}")
        self._ask("device_del", id=f"card{slot}")

    def driver(self, slot):
        path = f"/sys/bus/pci/devices/{ADDRESS[slot]}"
        return self.text(f"[ -e {path} ] || echo absent; basename $(readlink {path}/driver) 2>/dev/null")

    # --- the power ---------------------------------------------------------------------------------------------------

    def suspend(self, how, seconds=90):
        """Whether the machine goes to sleep within that time. `how`: a word of /sys/power/mem_sleep."""
        # Of an idle sleep the emulator knows nothing, and a character on the shell's line ends it. A line that may do so
        # is not set up anew after the other sleep, in which it loses what it was set to.
        may_wake = "enabled" if how == "s2idle" else "disabled"
        self.run(f"echo {how} >/sys/power/mem_sleep; echo {may_wake} >/sys/class/tty/ttyS1/power/wakeup")
        self.run("systemctl suspend")
        return self._is_told("Suspending console(s)", seconds)

    def wake(self, how, seconds=90):
        """Whether it is awake again within that time. Nothing is said to its shell meanwhile, which would be lost."""
        self._note("# wake up")
        if how == "s2idle":
            self._shell.sendall(b" ")
        else:
            self._ask("system_wakeup")
        return self._is_told("PM: suspend exit", seconds)

    def _is_told(self, words, seconds):
        """Whether the kernel says so anew on its console."""
        deadline = time.monotonic() + seconds
        while self._console().count(words) <= self._told.get(words, 0):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.5)
        self._told[words] = self._told.get(words, 0) + 1
        return True

    def _console(self):
        with open(self._machine.console, encoding="utf-8", errors="replace") as stream:
            return stream.read()

    # --- the end -----------------------------------------------------------------------------------------------------

    def power_off(self, seconds=120):
        """An orderly shutdown, as before a reboot: the disk holds what it held."""
        self._note("# power off")
        self._shell.sendall(b"systemctl poweroff --no-block\n")
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise Broken(f"no power-off within {seconds} seconds")

    def kexec(self):
        """The kernel that was loaded for it is booted without the firmware."""
        self._note("# kexec")
        self._shell.sendall(b"systemctl kexec --no-block\n")
        self._await_shell()

    # --- inside ------------------------------------------------------------------------------------------------------

    def _last_words(self):
        """What was said about the units, into the log: a machine that is not powered off in order takes it along."""
        if self.seconds_to_boot is None or not self._thread.is_alive():
            return
        try:
            self.run("journalctl -b --no-pager -o short-monotonic -u 'apertured@*' -n 60", seconds=20)
        except (OSError, Broken):
            pass  # it does not answer, which its console explains

    def _await_shell(self):
        said = self._until(rb"\n@@(ready|lacks [^\n]*)\n", self._patience)[1][1].decode()
        if said != "ready":
            raise debian.NotAvailable(f"the kernel {self._kernel.version} {said}, which the full guest needs")
        self.run("stty -F /dev/ttyS1 raw -echo; dmesg -n 7")
        self.run("systemctl is-system-running --wait", self._patience)

    def _connect(self):
        """The machine's end of the shell exists a moment after the machine does."""
        self._shell = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + 20
        while True:
            try:
                return self._shell.connect(self._shell_path)
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline or not self._thread.is_alive():
                    raise Broken(f"no machine: {self._machine.end}") from None
                time.sleep(0.05)

    def _ask(self, command, **arguments):
        try:
            return self._control().execute(command, **arguments)
        except (OSError, RuntimeError) as error:
            raise Broken(f"{command}: {error}") from None

    def _control(self):
        if self._qmp is None:
            self._qmp = QMP(self._machine.control)
        return self._qmp

    def _until(self, pattern, seconds):
        deadline = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self._pending)
            if match:
                text, self._pending = self._pending[:match.start()], self._pending[match.end():]
                return text, match
            left = deadline - time.monotonic()
            if left <= 0:
                raise Broken(f"no answer within {seconds:.0f} seconds: {self._pending[-200:]!r}")
            self._shell.settimeout(left)
            try:
                piece = self._shell.recv(65536)
            except TimeoutError:
                continue
            if not piece:
                self._thread.join()  # which knows then how
                said = "; ".join(self._machine.last_words())
                raise Broken(f"the machine ended: {self._machine.end or 'by itself'}; its console: {said}")
            self._pending += piece

    def _note(self, text):
        self._log.write(text + "\n")
        self._log.flush()
