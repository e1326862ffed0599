"""The modules a machine needs: picked with their dependencies, decompressed, indexed.

The guest has busybox's modprobe, which loads plain .ko files only; Debian 13 and the lab's own kernels compress theirs.
"""

import lzma
import os
import re
import shutil
import subprocess

# Whatever a kernel has of these. A name that a kernel lacks is built in there, or newer, or gone: the names are of 5.10
# to 7.x, and what a scenario really misses shows when it runs.
WANTED = (
    # VFIO itself
    "vfio", "vfio-pci", "vfio_iommu_type1", "vfio_virqfd", "iommufd",
    # an IOMMU that is no part of the processor
    "virtio-iommu",
    # the native driver of the emulated cards, under its old and its new name
    "bochs", "bochs-drm",
    # drivers of the other functions in a slot, and of a neighbour in the IOMMU group
    "snd-hda-intel", "xhci-pci", "e1000",
    # the firmware framebuffer's second witness in VGA text mode
    "vga16fb",
    # the full guest's disk (system/)
    "virtio_pci", "virtio_blk", "ext4", "crc32c_generic", "crc32c_intel",
)


def prepare(destination, version, source):
    """Fills `destination`/lib/modules/`version` from `source`, a folder tree holding .ko, .ko.xz or .ko.zst files."""
    inside = os.path.join("lib", "modules", version)
    target = os.path.join(destination, inside, "kernel")
    os.makedirs(target)
    files = {_name(path): path for path in _modules_below(source)}
    for name in closure(files):
        _decompress(files[name], os.path.join(target, name + ".ko"))
    for kept in ("modules.builtin", "modules.builtin.modinfo"):
        if os.path.exists(os.path.join(source, kept)):
            shutil.copy(os.path.join(source, kept), os.path.join(destination, inside, kept))
    index(destination, version)


def index(destination, version):
    """Writes modules.dep, modules.alias and the like of the modules below `destination`."""
    subprocess.run([_sbin("depmod"), "-b", destination, version], check=True, stderr=subprocess.DEVNULL)


def closure(files):
    """The wanted names that exist, and everything they depend on, by modinfo's account."""
    wanted, found = [name.replace("-", "_") for name in WANTED], set()
    while wanted:
        name = wanted.pop()
        if name in files and name not in found:
            found.add(name)
            depends = subprocess.run([_sbin("modinfo"), "-F", "depends", files[name]],
                                     check=True, capture_output=True, text=True).stdout
            wanted += [other.replace("-", "_") for other in depends.strip().split(",") if other]
    return sorted(found)


def _modules_below(source):
    for folder, _, names in os.walk(source):
        for name in names:
            if re.search(r"\.ko(\.xz|\.zst)?$", name):
                yield os.path.join(folder, name)


def _name(path):
    return os.path.basename(path).split(".ko")[0].replace("-", "_")


def _decompress(path, destination):
    if path.endswith(".xz"):
        with lzma.open(path) as packed, open(destination, "wb") as plain:
            shutil.copyfileobj(packed, plain)
    elif path.endswith(".zst"):
        subprocess.run(["zstd", "-q", "-d", "-f", path, "-o", destination], check=True)
    else:
        shutil.copy(path, destination)


def _sbin(tool):
    """kmod's tools live where an ordinary user's PATH doesn't look."""
    return shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or tool
