"""What a machine said about itself: the lines that start with @@, and the verdict on them."""

import dataclasses
import json


@dataclasses.dataclass
class Report:
    """Filled line by line; several boots of one scenario fill the same report."""
    saw: dict = dataclasses.field(default_factory=dict)
    failures: list = dataclasses.field(default_factory=list)
    claim: dict = dataclasses.field(default_factory=dict)
    section: str = ""
    text: list = dataclasses.field(default_factory=list)

    def read(self, line):
        if not self.text and not line.startswith("@@"):
            return  # the firmware's console, which is on both serial ports
        self.text.append(line)
        if not line.startswith("@@"):
            return
        word, _, rest = line.partition(" ")
        if word == "@@":
            self.section = rest
        elif word == "@@saw":
            name, _, value = rest.partition(" ")
            self.saw[name] = value
        elif word == "@@FAIL":
            self.failures.append(rest)
        elif word == "@@json":
            self._read_claim(rest)

    def _read_claim(self, text):
        try:
            self.claim = json.loads(text)
        except json.JSONDecodeError as error:
            if text.strip():
                self.failures.append(f"claim --json is JSON ({error})")

    @property
    def done(self):
        return self.section == "done"

    @property
    def rungs(self):
        """How the conflict was cleared; the override before it and the bind after it are part of every claim."""
        rungs = self.claim.get("rungs") if isinstance(self.claim, dict) else None
        return ",".join(rung for rung in rungs or () if rung not in ("override", "bind")) or "-"

    @property
    def before(self):
        """"clear" is the word before a claim for what is "mapped" after it."""
        saw = self.saw.get("before", "-")
        return "clear" if saw == "mapped" else saw


def judge(scenario, report):
    """The sentences that did not come true; empty for a pass."""
    broken = list(report.failures)

    def compare(name, expected, saw):
        if saw not in expected.split("|"):
            broken.append(f"{name}: expected {expected}, saw {saw}")

    compare("firmware framebuffer", scenario.framebuffer, report.saw.get("framebuffer", "nothing"))
    compare("before", scenario.before, report.before)
    compare("exit of claim", scenario.exit, report.saw.get("exit", "nothing"))
    compare("after", scenario.after, report.saw.get("after", "nothing"))
    compare("then", scenario.then, report.saw.get("then", "-").split()[0].rstrip(","))
    if scenario.rungs:
        compare("rungs", scenario.rungs, report.rungs)
    if scenario.code and not any(scenario.code in line for line in report.text):
        broken.append(f"code: expected {scenario.code}, which nothing named")
    return broken
