"""Kernel modules that the lab builds: for a Debian kernel with its own headers, put beside its modules. The lab's own
(modules/), and those of other recipes.

Nothing is installed: headers and tools are unpacked into a folder of the cache and thrown away when the modules are
there. They are built anew when a source of them or the kernel has changed.
"""

import dataclasses
import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import typing

import debian
import kernels
import modules

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "modules")

# What the configuration of the kernel says of the compiler and the tools it was built with, and is not so here:
# modules need no BTF, for which pahole would be wanted, and GCC has the option for the alignment of functions since 14.
SETTINGS = ("CC=gcc", "CONFIG_DEBUG_INFO_BTF_MODULES=", "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What modules are made of, and how."""
    folder: str  # in the cache
    modules: tuple  # their names
    settings: tuple  # for make
    fill: typing.Callable  # puts the sources into a new folder; takes that, the debian.Release and the kernel
    mark: typing.Callable  # what the modules depend on besides the kernel and the settings, as bytes


class DoNotCompile(Exception):
    """The headers are there and the modules are not made of them; the message holds what the compiler said."""


def build(name, kernel, recipe):
    """The folder with the modules for the kernel, which is Debian's `name` of the matrix; raises debian.NotAvailable
    with the reason where its headers or their sources can't be had, and DoNotCompile."""
    if name not in kernels.DEBIAN:
        raise debian.NotAvailable(f"the kernel {name} came without headers, which the lab's own modules are built with")
    folder = os.path.join(kernels.cache(), recipe.folder, name)
    mark = os.path.join(folder, "made-of")
    wanted = _made_of(kernel, recipe)
    if os.path.exists(mark):
        with open(mark, encoding="utf-8") as stream:
            if stream.read() == wanted:
                return folder
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(folder), prefix=".new-") as place:
        built = _compile(name, kernel, recipe, place)
        with open(os.path.join(built, "made-of"), "w", encoding="utf-8") as stream:
            stream.write(wanted)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(built, folder)
    return folder


class Shelf:
    """The modules of every kernel that a run has scenarios with them on."""

    def __init__(self, *others):
        """`others`: recipes besides the lab's own. The modules of one scenario are of one recipe."""
        self._others = others
        self._built = {}
        self._lacking = {}

    def fill(self, scenarios, found, say):
        """Builds for each kernel of the scenarios; `found`: the kernels that there are, by name."""
        for key in dict.fromkeys(self._key(scenario) for scenario in scenarios):
            name, recipe = key
            if name not in found:
                continue
            say(f"modules for {name}: {', '.join(recipe.modules)}")
            try:
                self._built[key] = build(name, found[name], recipe)
            except debian.NotAvailable as reason:
                self._lacking[key] = ("not run", [str(reason)])
            except DoNotCompile as reason:
                self._lacking[key] = ("failed", [str(reason)])

    def lacking(self, scenario):
        """The verdict and the reasons for the scenario, or None where its modules are there."""
        return self._lacking.get(self._key(scenario))

    def beside(self, scenario, kernel, destination):
        """The kernel with the scenario's modules among its own: in `destination`, with an index that has their aliases
        and dependencies as well. Only those: an alias alone can decide which driver a card gets."""
        shutil.copytree(kernel.modules, destination)
        # Where depmod prefers them to what has the same name.
        place = os.path.join(destination, "lib", "modules", kernel.version, "updates")
        os.makedirs(place)
        for module in scenario.modules:
            shutil.copy(os.path.join(self._built[self._key(scenario)], module + ".ko"), place)
        modules.index(destination, kernel.version)
        return dataclasses.replace(kernel, modules=destination)

    def _key(self, scenario):
        others = (recipe for recipe in self._others if set(scenario.modules) <= set(recipe.modules))
        return scenario.kernel, next(others, OWN)


def _made_of(kernel, recipe):
    """What the modules depend on, as one line."""
    digest = hashlib.sha256(" ".join((kernel.version, *SETTINGS, *recipe.settings)).encode() + recipe.mark())
    return f"{kernel.version} {digest.hexdigest()[:16]}\n"


def _own_mark():
    mark = b""
    for path in sorted(glob.glob(f"{SOURCES}/*")):
        with open(path, "rb") as stream:
            mark += os.path.basename(path).encode() + b"\0" + stream.read()
    return mark


def _own_modules():
    return tuple(sorted(os.path.basename(path).removesuffix(".c").replace("-", "_") for path in glob.glob(f"{SOURCES}/*.c")))


OWN = Recipe("own-modules", _own_modules(), (), lambda work, _release, _kernel: shutil.copytree(SOURCES, work), _own_mark)


def _compile(name, kernel, recipe, place):
    """A folder in `place` with the modules and nothing else."""
    release = debian.Release(os.path.join(kernels.cache(), "apt", name), kernels.DEBIAN[name])
    packages = release.header_packages(kernel.version)
    unpacked, work, built = (os.path.join(place, part) for part in ("headers", "work", "built"))
    for package in packages:
        _unpack(release, package, unpacked)
    tools = [package for package in packages if "kbuild" in package]
    _make_runnable(release, tools, unpacked, os.path.join(place, "libraries"))
    headers = os.path.join(unpacked, "usr", "src", f"linux-headers-{kernel.version}")
    _replace(os.path.join(headers, "Makefile"), "/usr/src/", f"{unpacked}/usr/src/")
    recipe.fill(work, release, kernel)
    made = subprocess.run(["make", "-C", headers, f"M={work}", *SETTINGS, *recipe.settings, "modules"],
                          capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise DoNotCompile(f"the lab's modules for {kernel.version} do not compile:\n{made.stdout}{made.stderr}")
    os.makedirs(built)
    for path in glob.glob(f"{work}/**/*.ko", recursive=True):
        subprocess.run(["strip", "--strip-debug", path], check=True)
        # modprobe takes both spellings; one is enough to ask for a module here.
        shutil.move(path, os.path.join(built, os.path.basename(path).replace("-", "_")))
    return built


def _make_runnable(release, packages, unpacked, libraries):
    """The tools are programs of the kernel's Debian release. Those that this machine's libraries are too old for are
    run with the libraries of that release."""
    foreign = [path for path in _programs(unpacked) if _lacks_libraries(path)]
    if not foreign:
        return
    for package in packages:
        for library in release.library_packages(package):
            _unpack(release, library, libraries)
    loaders = glob.glob(f"{libraries}/**/ld-linux-x86-64.so.2", recursive=True)
    if not loaders:
        raise debian.NotAvailable(f"{', '.join(packages)}: no library package of theirs holds a loader")
    folder = os.path.dirname(max(loaders, key=len))
    for path in foreign:
        os.rename(path, path + ".elf")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(f'#!/bin/sh\nexec {folder}/ld-linux-x86-64.so.2 --library-path {folder} "$0.elf" "$@"\n')
        os.chmod(path, 0o755)


def _programs(folder):
    for path in glob.glob(f"{folder}/usr/lib/linux-kbuild-*/**", recursive=True):
        if os.path.isfile(path) and os.access(path, os.X_OK):
            with open(path, "rb") as stream:
                if stream.read(4) == b"\x7fELF":
                    yield path


def _lacks_libraries(program):
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return re.search(r"not found", listed.stdout + listed.stderr) is not None


def _unpack(release, package, folder):
    subprocess.run(["dpkg-deb", "-x", release.download(package), folder], check=True)


def _replace(path, old, new):
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text.replace(old, new))
