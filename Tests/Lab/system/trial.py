"""What a scenario is given: machines to boot from a disk of its own, and a place for what came true or did not."""

import os
import shutil
import subprocess

from . import image, rootfs
from .guest import ADDRESS, Broken, Guest


def unit(slot):
    return f"apertured@{ADDRESS[slot]}.service"


class Trial:
    """One case's run. Machines booted one after another share its disk, as boots of one computer do."""

    def __init__(self, bench, case, kernel):
        self.bench = bench
        self.case = case
        self.failures = []
        self.saw = {}
        self._kernel = kernel
        self._log = os.path.join(bench.logs, case.name)
        self._disk = f"{self._log}.ext4"
        with open(f"{self._log}.log", "w", encoding="utf-8"):
            pass
        # Kept by an earlier run that failed.
        if os.path.exists(self._disk):
            os.remove(self._disk)
        if os.path.exists(f"{self._log}.taken"):
            os.remove(f"{self._log}.taken")
        self._modules = f"{self._log}.modules"
        shutil.rmtree(self._modules, ignore_errors=True)

    def bring(self, shelf):
        """The lab's own modules that the case names come with every boot's kernel."""
        self._kernel = shelf.beside(self.case, self._kernel, self._modules)

    def start_from(self, disk):
        """The machine's disk is a copy of this one."""
        rootfs.copy(disk, self._disk)

    def take(self, path):
        """A file of the machine's disk, between two boots; the copy's path."""
        copy = f"{self._log}.taken"
        said = subprocess.run([shutil.which("debugfs") or "/usr/sbin/debugfs", "-R", f"dump {path} {copy}", self._disk],
                              capture_output=True, text=True, check=False)
        if not os.path.exists(copy) or not os.path.getsize(copy):
            raise Broken(f"{path} is not on the disk: {said.stderr.strip()}")
        return copy

    def boot(self, bare=False, **options):
        """`bare`: without the package installed; it is at /run/lab instead."""
        if not os.path.exists(self._disk):
            disks = self.bench.bases if bare else self.bench.installed
            rootfs.copy(disks[self.case.disk], self._disk)
        if bare:
            options["files"] = {image.PACKAGE: self.bench.package}
        if self.case.configuration:
            options["texts"] = {"apertured.conf.d/lab.conf": self.case.configuration, **options.get("texts", {})}
        return Guest(self._kernel, self._disk, self._log, **options)

    def expect(self, sentence, truth, instead=""):
        """`instead` says what was seen where the sentence is not true; a function, where it costs something to ask."""
        if not truth and callable(instead):
            instead = instead()
        words = f"{'ok' if truth else 'FAILED'}: {sentence}" + (f" ({instead})" if instead and not truth else "")
        with open(f"{self._log}.log", "a", encoding="utf-8") as log:
            log.write(f"# {words}\n")
        if not truth:
            self.failures.append(words.removeprefix("FAILED: "))
        return truth

    def expect_driver(self, guest, slot, driver):
        # udev loads and binds native drivers, and no target of the boot waits for it.
        if "vfio" not in driver:
            guest.run("udevadm settle --timeout=20")
        found = guest.driver(slot)
        self.expect(f"the card in slot {slot} has the driver {driver or 'none'}", found == driver, f"it is {found!r}")

    def expect_state(self, guest, slot, state):
        """`state` in the words of `systemctl is-active`."""
        found = guest.text(f"systemctl is-active {unit(slot)}")
        self.expect(f"{unit(slot)} is {state}", found == state, f"it is {found}")

    def expect_stays(self, guest, slot, state, seconds=5):
        """The same after a while: nothing starts it or ends it behind our back."""
        guest.run(f"udevadm settle; sleep {seconds}; udevadm settle")
        self.expect_state(guest, slot, state)

    def expect_mapped(self, guest, slot):
        """The product's own proof, asked for anew: every BAR is mapped through VFIO."""
        verified = guest.run(f"apertured verify {ADDRESS[slot]}")
        self.expect(f"every BAR of the card in slot {slot} can be mapped", verified.status == 0, verified.text)

    def finish(self):
        shutil.rmtree(self._modules, ignore_errors=True)
        for name in () if self.failures else (self._disk, f"{self._log}.taken"):
            if os.path.exists(name):
                os.remove(name)


def monotonic(entry):
    """When it was said, in seconds since the boot; the kernel's own lines carry their own time."""
    return int(entry.get("_SOURCE_MONOTONIC_TIMESTAMP") or entry["__MONOTONIC_TIMESTAMP"]) / 1e6


def message(entry):
    """journald gives text that is not clean as a list of bytes."""
    text = entry.get("MESSAGE") or ""
    return text if isinstance(text, str) else bytes(text).decode(errors="replace")


def property_of(guest, slot, name):
    return guest.text(f"systemctl show -P {name} {unit(slot)}")


def ready_at(guest, slot):
    """When the unit's last start was complete, in seconds since the boot; 0.0 for never."""
    return int(property_of(guest, slot, "ActiveEnterTimestampMonotonic") or 0) / 1e6
