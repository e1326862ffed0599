"""The kernels of the matrix and where each comes from.

A kernel ends up as a folder of the cache that holds `vmlinuz`, `modules/` (an initramfs part, see modules.py) and
`version`. The cache is outside the tree: ${XDG_CACHE_HOME:-~/.cache}/apertured-lab. What is there is used without
asking the network again; `lab fetch` looks for newer packages.
"""

import dataclasses
import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile

import debian
import modules

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# name in the matrix: (suites, what it is). The highest version among the suites is taken.
DEBIAN = {
    "5.10": ("bullseye", "bullseye-security"),
    "6.1": ("bookworm", "bookworm-security"),
    "6.12": ("trixie", "trixie-security"),
    "7.x": ("trixie-backports", "forky"),
}

# The lab's own kernels, which Debian does not package: folders with bzImage and modules/, made by kernels/build.
PREBUILT = ("5.10-simplefb", "6.12-simpledrm", "7.2-efidrm")


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A kernel ready to boot."""
    version: str
    image: str
    modules: str


def obtain(name, refresh=False):
    """The kernel, downloaded and unpacked if need be; raises debian.NotAvailable with the reason if it can't be had."""
    if name in PREBUILT:
        return _prebuilt(name)
    folder = os.path.join(cache(), "kernels", name)
    ready = _ready(folder)
    if ready and not refresh:
        return ready
    try:
        return _from_debian(name, folder)
    except debian.NotAvailable:
        if ready:
            return ready
        raise


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "apertured-lab")


def _ready(folder):
    """The kernel in `folder` if it is complete and was made with the present list of modules."""
    try:
        with open(os.path.join(folder, "version"), encoding="utf-8") as stream:
            version, wanted = stream.read().split()
    except (FileNotFoundError, ValueError):
        return None
    if wanted != _wanted():
        return None
    return Kernel(version, os.path.join(folder, "vmlinuz"), os.path.join(folder, "modules"))


def _wanted():
    return hashlib.sha256(" ".join(modules.WANTED).encode()).hexdigest()[:16]


def _from_debian(name, folder):
    release = debian.Release(os.path.join(cache(), "apt", name), DEBIAN[name])
    os.makedirs(release.folder, exist_ok=True)
    packages = release.kernel_packages()
    with tempfile.TemporaryDirectory(dir=cache()) as unpacked:
        for package in packages:
            subprocess.run(["dpkg-deb", "-x", release.download(package), unpacked], check=True)
        images = glob.glob(f"{unpacked}/boot/vmlinuz-*") + glob.glob(f"{unpacked}/usr/lib/modules/*/vmlinuz")
        trees = glob.glob(f"{unpacked}/lib/modules/*") + glob.glob(f"{unpacked}/usr/lib/modules/*")
        if not images or not trees:
            raise debian.NotAvailable(f"{', '.join(packages)}: no kernel image inside")
        return _install(folder, os.path.basename(trees[0]), images[0], trees[0])


def built():
    """Where kernels/build puts the kernels that it makes."""
    return os.path.join(cache(), "built")


def _prebuilt(name):
    shelf = os.environ.get("APERTURED_LAB_KERNELS") or os.path.join(REPOSITORY, "..", "shared", "lab", "kernels")
    sources = [os.path.join(place, name) for place in (shelf, built())]
    source = next((source for source in sources if os.path.exists(os.path.join(source, "bzImage"))), None)
    if source is None:
        raise debian.NotAvailable(f"no kernel {name}: Tests/Lab/kernels/build {name} makes it, in about an hour; "
                                  "APERTURED_LAB_KERNELS can name a folder that holds it")
    image = os.path.join(source, "bzImage")
    version = _release_of(image)
    folder = os.path.join(cache(), "kernels", name)
    ready = _ready(folder)
    if ready and ready.version == version and os.path.getmtime(ready.image) >= os.path.getmtime(image):
        return ready
    return _install(folder, version, image, os.path.join(source, "modules"))


def _release_of(image):
    """The release string inside a bzImage: header field kernel_version (x86 boot protocol, offset 0x20e)."""
    with open(image, "rb") as stream:
        head = stream.read(0x10000)
    start = int.from_bytes(head[0x20E:0x210], "little") + 0x200
    return re.match(rb"[^\s\0]+", head[start:start + 128])[0].decode()


def _install(folder, version, image, tree):
    """Builds the folder beside its place and moves it in, `version` written last: no half a kernel is ever ready."""
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    fresh = tempfile.mkdtemp(dir=os.path.dirname(folder), prefix=".new-")
    try:
        shutil.copyfile(image, os.path.join(fresh, "vmlinuz"))
        modules.prepare(os.path.join(fresh, "modules"), version, tree)
        with open(os.path.join(fresh, "version"), "w", encoding="utf-8") as stream:
            stream.write(f"{version} {_wanted()}\n")
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return _ready(folder)
