"""The machine's whole user space: busybox, modules, apertured with its libraries, the client, the scenario.

Put together anew for every machine from parts that are already there; a few tens of megabytes, written uncompressed
because unpacking a compressed archive costs more under emulation than reading a plain one.
"""

import os
import re
import shlex
import subprocess

import cpio

HERE = os.path.dirname(os.path.abspath(__file__))
BUSYBOX = "/bin/busybox"
PCI_IDS = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids")


def build(destination, kernel, apertured, tools, script, variables, programs=(), files=()):
    """Writes the archive. `tools` go to /lab by name; `variables` become /lab/scenario; `programs` and `files` are host
    paths to bring along."""
    archive = cpio.Archive()
    for folder in ("proc", "sys", "dev", "run", "tmp", "root"):
        archive.add_folder(folder)
    # The kernel opens it as the first process's standard streams, before anything is mounted.
    archive.add_character_device("dev/console", 5, 1)
    add_busybox(archive)
    archive.add_tree("", kernel.modules)
    for ids in PCI_IDS:
        if os.path.exists(ids):
            archive.add_file(PCI_IDS[0], ids)
            break
    for name, tool in tools.items():
        archive.add_file(f"lab/{name}", tool)
    add_program(archive, "usr/bin/apertured", apertured)
    for path in programs:
        add_program(archive, path, path)
    for path in files:
        if os.path.isdir(path):
            archive.add_tree(path, path)
        else:
            archive.add_file(path, path)

    archive.add_file("init", os.path.join(HERE, "guest", "init"), executable=True)
    for words in ("vocabulary.sh", "faults.sh", "own-modules.sh"):
        archive.add_file(f"lab/{words}", os.path.join(HERE, "guest", words))
    archive.add_file("lab/run", os.path.join(HERE, "guest", script + ".sh"))
    settings = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
    archive.add_bytes("lab/scenario", settings.encode())
    archive.write(destination)


def add_busybox(archive):
    archive.add_file("bin/busybox", BUSYBOX)
    applets = subprocess.run([BUSYBOX, "--list-full"], check=True, capture_output=True, text=True).stdout
    for applet in applets.split():
        if applet != "bin/busybox":
            archive.add_link(applet, "/bin/busybox")


def add_program(archive, path, source):
    """Adds a program and every shared library the loader would give it here, each at the path it has here."""
    archive.add_file(path, source, executable=True)
    for library in libraries(source):
        archive.add_file(library, library)


def libraries(program):
    """What ldd lists, the loader among them; nothing for a static program or a script."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    missing = re.findall(r"(\S+) => not found", listed)
    if missing:
        raise RuntimeError(f"{program} needs {', '.join(missing)}, which the loader does not find")
    return re.findall(r"(?:=> |^\s*)(/\S+) \(0x", listed, re.MULTILINE)
