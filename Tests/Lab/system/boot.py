"""The archive that a full guest boots from: busybox, the kernel's modules, the lab's agent, the package.

Small: the system itself is on the disk, from which only what is used is read. Under emulation that beats unpacking all
of it into memory.
"""

import os

import cpio
import initramfs

HERE = os.path.dirname(os.path.abspath(__file__))


def build(destination, kernel, files=None, texts=None):
    """Writes the archive; in the guest `files` (name: host path) appear below /run/lab, and `texts` (path: contents)
    below /run, before anything reads there."""
    archive = cpio.Archive()
    for folder in ("proc", "sys", "dev"):
        archive.add_folder(folder)
    # The kernel opens it as the first process's standard streams, before anything is mounted.
    archive.add_character_device("dev/console", 5, 1)
    initramfs.add_busybox(archive)
    archive.add_tree("", kernel.modules)
    archive.add_file("init", os.path.join(HERE, "guest", "init"), executable=True)
    for name in ("agent", "lab-agent.service"):
        archive.add_file(f"lab/{name}", os.path.join(HERE, "guest", name))
    for name, path in (files or {}).items():
        archive.add_file(f"lab/{name}", path)
    for path, text in (texts or {}).items():
        archive.add_bytes(f"run/{path}", text.encode())
    archive.write(destination)
