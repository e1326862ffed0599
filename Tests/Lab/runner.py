"""Runs one scenario: prepares its kernel, boots its machines, judges their report."""

import dataclasses
import os
import shutil
import subprocess
import time

import debian
import initramfs
import iommufd
import kernels
import own_modules
import report as reports
import stage
from machine import Machine
from topologies import TOPOLOGIES

# What a QEMU inside the machine needs: itself, its emulator (a module of its own), the firmware it starts with.
REAL_CLIENT = (("/usr/bin/qemu-system-x86_64", "/usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so"),
               ("/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/kvmvapic.bin"))

# Small C programs for the guest: its /lab/NAME.
TOOLS = {
    "vfio-client": ("Tests/Lab/client/vfio-client.c",),
    "speed": ("Tests/Lab/client/speed.c",),
    "bare-writes": ("Tests/Lab/client/bare-writes.c",),
    # The product's own code, measured by itself.
    "rescan-race": ("Tests/Lab/client/rescan-race.c", "Sources/CLinux/rescan.c", "Sources/CLinux/open.c"),
}


@dataclasses.dataclass
class Result:
    scenario: object
    verdict: str  # passed, failed, not run
    reasons: list
    report: reports.Report
    kernel: str = "-"
    seconds: float = 0.0


def compile_tool(name, folder):
    """The path of the tool. Static: it must not depend on anything that is brought along for apertured."""
    tool = os.path.join(folder, name)
    paths = [os.path.join(kernels.REPOSITORY, source) for source in TOOLS.get(name, (f"Tests/Lab/client/{name}.c",))]
    include = os.path.join(kernels.REPOSITORY, "Sources", "CLinux", "include")
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-Wall", "-static", "-pthread", "-I", include, "-o", tool, *paths],
                   check=True)
    return tool


class Bench:
    """What all scenarios of one run share: the binary under test, the guest's tools, the folder for logs."""

    def __init__(self, apertured, logs):
        self.apertured = apertured
        self.logs = logs
        self._kernels = {}
        self._missing = {}
        self._own_modules = own_modules.Shelf(iommufd.RECIPE)
        os.makedirs(logs, exist_ok=True)
        self.tools = {name: compile_tool(name, logs) for name in TOOLS}

    def prepare(self, scenarios, say=lambda text: None):
        """Gets the scenarios' kernels before any machine starts: one at a time, so that no two jobs fetch the same."""
        for name in dict.fromkeys(scenario.kernel for scenario in scenarios):
            say(f"kernel {name}")
            try:
                self._kernels[name] = kernels.obtain(name)
            except debian.NotAvailable as reason:
                self._missing[name] = str(reason)
        self._own_modules.fill([scenario for scenario in scenarios if scenario.modules], self._kernels, say)

    def run(self, scenario, follow=lambda line: None):
        """The result; `follow` gets every line of the report as it comes."""
        started = time.monotonic()
        report = reports.Report()
        if scenario.kernel in self._missing:
            return Result(scenario, "not run", [self._missing[scenario.kernel]], report)
        if scenario.modules and self._own_modules.lacking(scenario):
            return Result(scenario, *self._own_modules.lacking(scenario), report)
        kernel = self._kernels[scenario.kernel]
        broken = []
        for script in (["probe"] if scenario.probe_apart else []) + [scenario.script]:
            report.section = ""
            broken = self._boot(scenario, kernel, script, report, follow)
            if broken:
                break
        broken = broken or reports.judge(scenario, report)
        seconds = time.monotonic() - started
        return Result(scenario, "failed" if broken else "passed", broken, report, kernel.version, seconds)

    def _boot(self, scenario, kernel, script, report, follow):
        topology = TOPOLOGIES[scenario.topology]
        base = os.path.join(self.logs, scenario.name)
        suffix = "" if script == scenario.script else f".{script}"
        archive = f"{base}{suffix}.initramfs"
        variables = {
            "GPU": topology.gpu, "OTHER": topology.other, "CARD": scenario.card,
            "BEFORE": "-" if scenario.probe_apart else scenario.before,
            "OPTIONS": scenario.options, "GIVEN": scenario.given, "MEANWHILE": scenario.meanwhile,
            "FINALLY": scenario.finally_, "CLIENT": scenario.client, "DRIVER": scenario.driver,
        }
        programs, files = REAL_CLIENT if scenario.client == "real_client" else ((), ())
        self._archive(archive, scenario, kernel, script, variables, programs, files)
        machine = Machine(
            kernel.image, archive, f"{base}{suffix}.log", firmware=scenario.firmware,
            devices=[device.format(card=scenario.card) for device in topology.devices],
            arguments=scenario.arguments, iommu=scenario.iommu, deadline=scenario.deadline)
        try:
            with open(f"{base}{suffix}.report", "w", encoding="utf-8") as kept:
                for line in machine.lines():
                    kept.write(line + "\n")
                    kept.flush()
                    report.read(line)
                    unmet = stage.obey(line, machine.control)
                    if unmet:
                        report.failures.append(unmet)
                    follow(line)
        finally:
            os.remove(archive)
        if report.done:
            return []
        where = f"in section {report.section}" if report.section else "before the first section"
        said = [f"console: {line}" for line in machine.last_words()]
        return [f"the machine stopped early, {where}" + (f": {machine.end}" if machine.end else ""), *said]

    def _archive(self, archive, scenario, kernel, script, variables, programs, files):
        """The machine's user space, with those of the lab's own modules that the scenario names."""
        beside = f"{archive}.modules"
        try:
            if scenario.modules:
                kernel = self._own_modules.beside(scenario, kernel, beside)
            initramfs.build(archive, kernel, self.apertured, self.tools, script, variables, programs, files)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
