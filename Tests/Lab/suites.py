"""The lab's two halves behind one face: scenarios, what is expected of them, how they are run and shown.

The first boots a kernel with nothing but apertured, and tries the claim itself in every situation there is. The second
boots Debian with the package installed, and tries what systemd, udev and the journal make of it.
"""

import os

import debian
import kernels
import results
import runner
import scenarios
import system.bench
import system.cases
import table


class Matrix:
    """The claim on bare kernels."""

    marks = results.Marks("lab table")
    headings = table.MATRIX
    row = staticmethod(table.matrix_row)

    def __init__(self, options):
        self.logs = options.logs
        self.scenarios = scenarios.SCENARIOS
        self._apertured = getattr(options, "apertured", None)
        self._bench = None

    def prepare(self, chosen, say):
        if not os.path.exists(self._apertured):
            raise debian.NotAvailable(f"{self._apertured} does not exist: build it first, or name it with --apertured")
        self._bench = runner.Bench(self._apertured, self.logs)
        self._bench.prepare(chosen, say)

    def run(self, scenario, follow):
        return self._bench.run(scenario, follow)

    @staticmethod
    def story(result):
        scenario, report = result.scenario, result.report
        expected = f"expected {scenario.before} > {scenario.exit} > {scenario.after} > {scenario.then}"
        if result.verdict == "not run":
            return expected
        return f"{expected}; saw " + " > ".join(
            (report.before, *(report.saw.get(name, "-") for name in ("exit", "after", "then"))))

    @staticmethod
    def describe(scenario):
        words = (scenario.name, scenario.kernel, scenario.framebuffer, table.CLASSES[scenario.card], scenario.topology,
                 scenario.before, scenario.exit, scenario.after, scenario.rungs or "any", scenario.then)
        widths = (27, 15, 17, 5, 22, 11, 4, 13, 13, 9)
        return "  ".join(word.ljust(width) for word, width in zip(words, widths)).rstrip()


class FullGuest:
    """The package on Debian 12."""

    marks = results.Marks("full guest's table")
    headings = table.GUEST
    row = staticmethod(table.guest_row)

    def __init__(self, options):
        self.logs = os.path.join(options.logs, "system")
        self.scenarios = system.cases.CASES
        self._package = getattr(options, "package", None)
        self._bench = None

    def prepare(self, chosen, say):
        if not self._package or not os.path.exists(self._package):
            raise debian.NotAvailable(f"{self._package or 'no package'}: build it (make deb) and name it with --package")
        os.makedirs(self.logs, exist_ok=True)
        client = runner.compile_tool("vfio-client", self.logs)
        self._bench = system.bench.Bench(self._package, self.logs, client)
        self._bench.prepare(chosen, say)

    def run(self, case, _follow):
        return self._bench.run(case)

    @staticmethod
    def story(result):
        return "; ".join(f"{name} {value}" for name, value in result.saw.items())

    @staticmethod
    def describe(case):
        return f"{case.name:32}  {case.kernel:15}  {case.drive.__doc__}"


SUITES = (Matrix, FullGuest)
assert not {case.name for case in system.cases.CASES} & {scenario.name for scenario in scenarios.SCENARIOS}
assert all(case.kernel in (*kernels.DEBIAN, *kernels.PREBUILT) for case in system.cases.CASES)
