"""Runs one case: finds its kernel, hands it a trial, gathers what came of it."""

import dataclasses
import os
import threading
import time

import debian
import kernels
import own_modules

from . import image, rootfs
from .guest import Broken
from .trial import Trial

# Installs the package; any would do.
INSTALLING_KERNEL = "6.1"


@dataclasses.dataclass
class Result:
    scenario: object  # a Case
    verdict: str  # passed, failed, not run
    reasons: list
    kernel: str = "-"
    saw: dict = dataclasses.field(default_factory=dict)
    seconds: float = 0.0


class Bench:
    """What all cases of a run share: the package, the folder for logs, the disks they start from."""

    def __init__(self, package, logs, client):
        """`client`: the path of a program that uses a card through VFIO."""
        self.package = package
        self.logs = logs
        self.client = client
        # Of each disk that a case names: without the package, and with it.
        self.bases, self.installed = {}, {}
        self._kernels = {}
        # Of a kernel, or of a disk, that is not to be had: the reason. And of a disk on which nothing can be installed.
        self._missing, self._broken = {}, {}
        self._making = threading.Lock()
        os.makedirs(logs, exist_ok=True)

    def prepare(self, cases, say=lambda text: None):
        """Everything that two cases could get in each other's way over, before any of them runs."""
        for name in dict.fromkeys((INSTALLING_KERNEL, *(case.kernel for case in cases))):
            say(f"kernel {name}")
            try:
                self._kernels[name] = kernels.obtain(name)
            except debian.NotAvailable as reason:
                self._missing[name] = str(reason)
        self._own_modules = own_modules.Shelf()
        self._own_modules.fill([case for case in cases if case.modules], self._kernels, say)
        if INSTALLING_KERNEL in self._missing:
            return
        say("the full guest's disk")
        for disk in dict.fromkeys(case.disk for case in cases):
            if disk == rootfs.BASE:
                self._obtain(disk, say)

    def _obtain(self, disk, say=lambda text: None):
        """Another disk is made when the first case needs it: some take longer than most cases."""
        with self._making:
            if any(disk in known for known in (self.installed, self._missing, self._broken)):
                return
            try:
                self.bases[disk] = rootfs.obtain(disk)
                self.installed[disk] = image.obtain(self._kernels[INSTALLING_KERNEL], self.bases[disk], self.package,
                                                    self.logs, say, disk)
            except debian.NotAvailable as reason:
                self._missing[disk] = str(reason)
            except Broken as reason:
                self._broken[disk] = f"installing the package: {reason}"

    def run(self, case, _follow=None):
        started = time.monotonic()
        for needed in (INSTALLING_KERNEL, case.kernel):
            if needed in self._missing:
                return Result(case, "not run", [self._missing[needed]])
        self._obtain(case.disk)
        if case.disk in self._missing:
            return Result(case, "not run", [self._missing[case.disk]])
        if case.disk in self._broken:
            return Result(case, "failed", [self._broken[case.disk]])
        if case.modules and self._own_modules.lacking(case):
            return Result(case, *self._own_modules.lacking(case))
        kernel = self._kernels[case.kernel]
        test = Trial(self, case, kernel)
        try:
            if case.modules:
                test.bring(self._own_modules)
            case.drive(test)
        except debian.NotAvailable as reason:
            return Result(case, "not run", [str(reason)])
        except Broken as reason:
            test.failures.append(f"the machine: {reason}")
        finally:
            test.finish()
        return Result(case, "failed" if test.failures else "passed", test.failures, kernel.version, test.saw,
                      time.monotonic() - started)
