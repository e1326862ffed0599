"""One QEMU machine: its command line, its console log, its deadline, its end.

Software emulation throughout, so that a lab run needs no /dev/kvm and gives the same answer everywhere.
"""

import os
import re
import signal
import subprocess
import tempfile
import threading

FIRMWARE = {
    "ovmf": ("/usr/share/ovmf/OVMF.fd", "/usr/share/qemu/OVMF.fd"),
    "seabios": (),  # QEMU's default
}
# The device, and the kernel's words that switch it on.
IOMMU = {
    "intel": ("intel-iommu,intremap=on,caching-mode=on", "intel_iommu=on"),
    "amd": ("amd-iommu,intremap=on", ""),
    # It does not remap interrupts, so VFIO must be told that this is known.
    "virtio": ("virtio-iommu-pci,addr=1d.0", "vfio_iommu_type1.allow_unsafe_interrupts=1"),
}


class Machine:
    """Boots a kernel with an initramfs and yields the lines of its second serial port."""

    def __init__(self, kernel, initramfs, console, firmware="ovmf", devices=(), arguments="", iommu="intel", memory=1024,
                 deadline=180, report="stdio,signal=off"):
        self.console = console
        self._folder = tempfile.TemporaryDirectory(prefix="lab-")
        # Of its own, and short: a socket's path has a hundred characters at most.
        self.control = os.path.join(self._folder.name, "qmp")
        self.command = [
            # However the harness ends, by an interrupt or killed, the kernel ends its machines with it.
            "setpriv", "--pdeathsig", "KILL", "--",
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-vga", "none",
            # One thread for both CPUs. With one each, a CPU that switches a BAR off or on, as every VFIO reset does, changes
            # the memory map while the other's access is under way, and QEMU 7.2 may die of SIGSEGV (tcg_commit(); QEMU
            # has it repaired since 2023). Seen in a lab run; a loop that does only this needs less than a minute.
            "-machine", "q35", "-accel", "tcg,thread=single", "-cpu", "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt",
            "-smp", "2", "-m", str(memory),
            "-serial", f"file:{console}",
            # The harness reads the report from QEMU's own standard output; signals stay the shell's business.
            "-chardev", f"{report},id=report", "-serial", "chardev:report",
            "-kernel", kernel, "-initrd", initramfs, "-append", self._arguments(arguments, iommu),
        ]
        image = next((path for path in FIRMWARE[firmware] if os.path.exists(path)), None)
        if image:
            self.command += ["-bios", image]
        # An IOMMU has to come before the devices it translates for. AMD's takes the first slot that is free, which must not
        # be another's; QEMU's cards move nothing that it would have to translate.
        translator = [IOMMU[iommu][0]] if iommu else []
        for device in [*devices, *translator] if iommu == "amd" else [*translator, *devices]:
            self.command += ["-device", device]
        self.command += ["-qmp", f"unix:{self.control},server=on,wait=off"]
        self.deadline = deadline
        self.timed_out = False
        self._status = 0
        self._errors = ""

    @staticmethod
    def _arguments(extra, iommu):
        # panic=-1 with -no-reboot: a crash ends the machine at once instead of at the deadline.
        # no_timer_check: that check counts ticks during a delay loop, which a busy host can't deliver under emulation
        # ("timer doesn't work through Interrupt-remapped IO-APIC", seen on 5.10).
        words = ["console=ttyS0", "loglevel=6", "panic=-1", "no_timer_check", "rdinit=/init"]
        if iommu:
            words += IOMMU[iommu][1].split()
        return " ".join([*words, *extra.split()])

    def lines(self):
        """The report, line by line as it comes. The machine is gone when this generator ends, whichever way it ends."""
        with tempfile.TemporaryFile(mode="w+") as errors:
            process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
            timer = threading.Timer(self.deadline, self._expire, [process])
            timer.start()
            try:
                for line in process.stdout:
                    yield line.decode(errors="replace").rstrip("\r\n")
                # Its streams close a moment before it is gone, and only then is known how it ended.
                process.wait()
            finally:
                timer.cancel()
                if process.poll() is None:
                    process.kill()
                process.wait()
                process.stdout.close()
                self._status = process.returncode
                errors.seek(0)
                self._errors = errors.read().strip()
                self._folder.cleanup()

    @property
    def end(self):
        """How QEMU ended, in words; "" for a guest's own power-off, which -no-reboot makes of a crash as well."""
        if self.timed_out:
            return f"no end within {self.deadline} seconds"
        if self._status < 0:
            return f"QEMU was ended by {signal.Signals(-self._status).name}" + (self._errors and f": {self._errors}")
        return self._errors or (self._status and f"QEMU's exit status is {self._status}") or ""

    def last_words(self, lines=8):
        """The end of the console: where a kernel that crashed says so."""
        with open(self.console, encoding="utf-8", errors="replace") as stream:
            # Without the firmware's cursor movements.
            said = [re.sub(r"\x1b\[[0-9;=?]*[A-Za-z]", "", line).rstrip() for line in stream]
        return [line for line in said if line][-lines:]

    def _expire(self, process):
        self.timed_out = True
        process.kill()
