"""One QEMU machine: its command line, its console log, its deadline, its end.

Software emulation throughout, so that a lab run needs no /dev/kvm and gives the same answer everywhere.
"""

import os
import subprocess
import tempfile
import threading

FIRMWARE = {
    "ovmf": ("/usr/share/ovmf/OVMF.fd", "/usr/share/qemu/OVMF.fd"),
    "seabios": (),  # QEMU's default
}


class Machine:
    """Boots a kernel with an initramfs and yields the lines of its second serial port."""

    def __init__(self, kernel, initramfs, console, firmware="ovmf", devices=(), arguments="", iommu=True, memory=1024,
                 deadline=180, report="stdio,signal=off"):
        self._folder = tempfile.TemporaryDirectory(prefix="lab-")
        # Of its own, and short: a socket's path has a hundred characters at most.
        self.control = os.path.join(self._folder.name, "qmp")
        self.command = [
            # However the harness ends, by an interrupt or killed, the kernel ends its machines with it.
            "setpriv", "--pdeathsig", "KILL", "--",
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-vga", "none",
            "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt",
            "-smp", "2", "-m", str(memory),
            "-serial", f"file:{console}",
            # The harness reads the report from QEMU's own standard output; signals stay the shell's business.
            "-chardev", f"{report},id=report", "-serial", "chardev:report",
            "-kernel", kernel, "-initrd", initramfs, "-append", self._arguments(arguments, iommu),
        ]
        image = next((path for path in FIRMWARE[firmware] if os.path.exists(path)), None)
        if image:
            self.command += ["-bios", image]
        if iommu:
            # The IOMMU has to come before the devices it translates for.
            self.command += ["-device", "intel-iommu,intremap=on,caching-mode=on"]
        for device in devices:
            self.command += ["-device", device]
        self.command += ["-qmp", f"unix:{self.control},server=on,wait=off"]
        self.deadline = deadline
        self.timed_out = False
        self.errors = ""

    @staticmethod
    def _arguments(extra, iommu):
        # panic=-1 with -no-reboot: a crash ends the machine at once instead of at the deadline.
        # no_timer_check: that check counts ticks during a delay loop, which a busy host can't deliver under emulation
        # ("timer doesn't work through Interrupt-remapped IO-APIC", seen on 5.10).
        words = ["console=ttyS0", "loglevel=6", "panic=-1", "no_timer_check", "rdinit=/init"]
        if iommu:
            words.append("intel_iommu=on")
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
            finally:
                timer.cancel()
                if process.poll() is None:
                    process.kill()
                process.wait()
                process.stdout.close()
                errors.seek(0)
                self.errors = errors.read().strip()
                self._folder.cleanup()

    def _expire(self, process):
        self.timed_out = True
        process.kill()
