"""The first scenario told to a person: what the guest prints, under headings, as it happens."""

import dataclasses
import sys

from scenarios import SCENARIOS

HEADINGS = {
    "booting": "Booting a machine whose GPU is held by the firmware's framebuffer (Debian 12, OVMF; about 15 seconds)",
    "conflict": "What holds the GPU",
    "failure": "Bound to vfio-pci as it is: a VFIO client tries to map the BARs",
    "plan": "What apertured would do, and why",
    "claim": "The claim",
    "success": "The same VFIO client again",
}


def tell(bench):
    """Returns the exit status: the story ends well only if the scenario's expectations were met."""
    # The claim speaks to a person here, not in JSON: its rungs can be read but not compared.
    scenario = dataclasses.replace(SCENARIOS[0], name="demo", script="demo", rungs="")
    bench.prepare([scenario])
    _heading("booting")
    started = []

    def follow(line):
        if line.startswith("@@ "):
            started.append(line)
            _heading(line[3:])
        elif started and not line.startswith("@@"):
            print(f"  {line}", flush=True)

    result = bench.run(scenario, follow)
    if result.verdict == "passed":
        print("\n  The BAR that nothing could reserve is mapped: the card can be given to a virtual machine.")
        return 0
    print(f"\n  {result.verdict}: " + "; ".join(result.reasons))
    return 1


def _heading(section):
    if section in HEADINGS:
        text = HEADINGS[section]
        print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)
