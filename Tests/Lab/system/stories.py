#!/usr/bin/env python3
"""The documents' stories, in commands that scenarios run: what a page tells is what was tried.

    Tests/Lab/system/stories.py      compares the pages with the commands here, without a machine
"""

import dataclasses
import os
import re
import sys

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), *[os.pardir] * 3, "docs")

# systemctl(1) is-active, of a unit that is not.
INACTIVE = 3


@dataclasses.dataclass(frozen=True)
class Story:
    page: str
    sections: tuple
    commands: tuple
    # What the lab runs instead of a command, because it has no network, no terminal, or no such place; "" for what a
    # scenario does by other means.
    instead: dict = dataclasses.field(default_factory=dict)

    def told(self):
        """The commands of the page's sections: the lines of their blocks that begin with a program's name, without what
        stands behind them for a reader."""
        with open(os.path.join(DOCS, self.page), encoding="utf-8") as stream:
            text = stream.read()
        found = []
        for section in self.sections:
            body = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
            assert body, f"{self.page} has no section '{section}'"
            lines = re.findall(r"^    ([a-z][^\n]*)$", body[1], re.MULTILINE)
            found += [re.split(r"\s+# ", line)[0].rstrip() for line in lines]
        return tuple(found)


class Teller:
    """Runs a story's commands in its order."""

    def __init__(self, story, test):
        self.story = story
        self._test = test
        self._left = list(story.commands)

    def __call__(self, guest, command, *words, seconds=120, status=0):
        """Runs the next command, which must be this one; expects this status of it, and that it says these words."""
        assert self._left and self._left[0] == command, f"the next command of {self.story.page} is {self._left[:1]}"
        self._left.pop(0)
        run = self.story.instead.get(command, command)
        if not run:
            return
        shown = guest.run(run, seconds)
        self._test.expect(f"{self.story.page}: {command}", shown.status == status, shown.text)
        for word in words:
            self._test.expect(f"it says: {word}", word in shown.text, shown.text)

    def end(self):
        self._test.expect(f"{self.story.page} was told to its end", not self._left, f"{self._left}")


LIBVIRT = Story(
    "libvirt.md", ("From a bare machine to a running guest, and back",),
    ("apt install ./apertured_*.deb ./apertured-libvirt_*.deb",
     "apertured status",
     "apertured plan 0000:02:00.0",
     "virsh start guest",
     "systemctl status apertured@0000:02:00.0.service",
     "virsh destroy guest",
     "systemctl is-active apertured@0000:02:00.0.service",
     "apertured status 0000:02:00.0"),
    # Both packages are installed on the disk, by dpkg.
    {"apt install ./apertured_*.deb ./apertured-libvirt_*.deb": "dpkg -s apertured apertured-libvirt"})

INITRAMFS = Story(
    "initramfs.md", ("Reserve a card", "Give it back"),
    ("apertured status",
     "apertured enable 0000:01:00.0",
     "reboot",
     "cat /run/apertured-initramfs/0000:01:00.0",
     "systemctl status apertured@0000:01:00.0.service",
     "apertured disable --now 0000:01:00.0"),
    {"reboot": ""})

DESKTOP = Story(
    "single-gpu.md", ("From a bare machine to a running guest, and back",),
    ("apertured status --verbose",
     "apertured plan 0000:02:00.0",
     "apertured plan 0000:02:00.0 --stop display-manager.service",
     "systemctl start apertured@0000:02:00.0.service",
     "systemctl status apertured@0000:02:00.0.service",
     "systemctl is-active display-manager.service",
     "systemctl stop apertured@0000:02:00.0.service",
     "systemctl is-active display-manager.service",
     "apertured status 0000:02:00.0"))

STORIES = (LIBVIRT, INITRAMFS, DESKTOP)


def main():
    wrong = [story for story in STORIES if story.told() != story.commands]
    for story in wrong:
        print(f"{story.page} tells:", *story.told(), "and the scenario runs:", *story.commands, sep="\n    ",
              file=sys.stderr)
    if not wrong:
        print(f"stories: {', '.join(story.page for story in STORIES)} tell what scenarios run")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
