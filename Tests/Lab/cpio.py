"""A writer for the "newc" cpio format that the kernel unpacks an initramfs from.

Written here rather than piped through cpio(1) because it can put a host file at another path of the archive, mark it
executable and add device nodes without being root and without a staging folder.
"""

import os
import stat


class Archive:
    """Entries are kept by path, so that a later file replaces an earlier one and parents come before children."""

    def __init__(self):
        self._entries = {}

    def add_bytes(self, path, content, mode=0o644):
        self._put(path, stat.S_IFREG | mode, content)

    def add_file(self, path, source, executable=None):
        """Adds the host file `source`, following links: a library's soname becomes a file of its own."""
        with open(source, "rb") as stream:
            content = stream.read()
        if executable is None:
            executable = os.stat(source).st_mode & 0o111 != 0
        self._put(path, stat.S_IFREG | (0o755 if executable else 0o644), content)

    def add_tree(self, path, source):
        """Adds every file below the host folder `source`."""
        for folder, _, files in os.walk(source):
            for name in files:
                inside = os.path.relpath(os.path.join(folder, name), source)
                self.add_file(os.path.join(path, inside), os.path.join(folder, name))

    def add_link(self, path, target):
        self._put(path, stat.S_IFLNK | 0o777, target.encode())

    def add_folder(self, path):
        self._put(path, stat.S_IFDIR | 0o755, b"")

    def add_character_device(self, path, major, minor):
        self._put(path, stat.S_IFCHR | 0o600, b"", (major, minor))

    def _put(self, path, mode, content, device=(0, 0)):
        path = path.strip("/")
        parent = os.path.dirname(path)
        if parent and parent not in self._entries:
            self.add_folder(parent)
        self._entries[path] = (mode, content, device)

    def write(self, destination):
        """Writes to a temporary name first: a second lab never boots half an archive."""
        temporary = f"{destination}.{os.getpid()}"
        with open(temporary, "wb") as stream:
            for inode, path in enumerate(sorted(self._entries), start=1):
                mode, content, device = self._entries[path]
                _write_entry(stream, inode, path, mode, content, device)
            _write_entry(stream, 0, "TRAILER!!!", 0, b"", (0, 0))
        os.replace(temporary, destination)


def _write_entry(stream, inode, path, mode, content, device):
    name = path.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, device[0], device[1], len(name), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields)
    stream.write(header + name + _padding(len(header) + len(name)))
    stream.write(content + _padding(len(content)))


def _padding(length):
    return b"\0" * (-length % 4)
