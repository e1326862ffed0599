"""Kernel packages of any Debian release, through a private apt configuration.

The machine's own apt state is neither read nor changed, except for one thing: the mirror. The private sources name the
same URIs and the same keyring as the machine's configuration, only with the suites of another release, so that a
mirror, a proxy or an offline copy set up by the administrator is respected. apt verifies what it fetches.
"""

import dataclasses
import glob
import os
import re
import subprocess


class NotAvailable(Exception):
    """The package can't be had here; the message says why. Such a scenario is not run, which is not a pass."""


@dataclasses.dataclass(frozen=True)
class Source:
    uri: str
    suites: tuple
    signed_by: str


DEFAULT_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def configured_sources(etc="/etc/apt"):
    """The deb sources the machine uses, from both of apt's formats."""
    found = []
    for path in sorted(glob.glob(f"{etc}/sources.list.d/*.sources")):
        with open(path, encoding="utf-8") as stream:
            found += _deb822_sources(stream.read())
    for path in [f"{etc}/sources.list", *sorted(glob.glob(f"{etc}/sources.list.d/*.list"))]:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as stream:
                found += _one_line_sources(stream.read())
    return found


def _deb822_sources(text):
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    for stanza in re.split(r"\n\s*\n", text):
        # Signed-By may hold a whole armoured key on continuation lines; only a path can be reused as it is.
        fields = {key.lower(): value.split() for key, value in re.findall(r"^([A-Za-z-]+):(.*)$", stanza, re.MULTILINE)}
        if "deb" not in fields.get("types", []) or fields.get("enabled", ["yes"])[0].lower() == "no":
            continue
        keyring = (fields.get("signed-by") or [DEFAULT_KEYRING])[0]
        for uri in fields.get("uris", []):
            yield Source(uri, tuple(fields.get("suites", [])), keyring)


def _one_line_sources(text):
    for line in text.splitlines():
        match = re.match(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)", line)
        if match:
            options = dict(pair.split("=", 1) for pair in (match[1] or "").split() if "=" in pair)
            yield Source(match[2], (match[3],), options.get("signed-by", DEFAULT_KEYRING))


def mirrors(sources):
    """The main archive's source and the security archive's (None where the machine has none)."""
    def is_security(source):
        return any(suite.endswith("-security") or suite.endswith("/updates") for suite in source.suites)

    def is_debian(source):
        # Third-party sources have suites of their own; only the archive has the release with -updates and -security.
        names = {"stable", "testing", "unstable", "sid", "oldstable", _codename()}
        return any(re.sub(r"(-security|-updates|-backports|/updates)$", "", suite) in names for suite in source.suites)

    debian = [source for source in sources if is_debian(source)]
    main = next((source for source in debian if not is_security(source)), None)
    security = next((source for source in debian if is_security(source)), None)
    if main is None:
        raise NotAvailable("apt on this machine has no Debian mirror configured")
    return main, security


def _codename():
    with open("/etc/os-release", encoding="utf-8") as stream:
        match = re.search(r'^VERSION_CODENAME="?([a-z]+)', stream.read(), re.MULTILINE)
    return match[1] if match else ""


class Release:
    """One release's package lists and downloads, below `folder`."""

    def __init__(self, folder, suites):
        self.folder = folder
        self.suites = suites
        self._updated = False

    def kernel_packages(self):
        """The names of the packages that hold the newest kernel: image and modules are apart in newer releases."""
        self._update()
        image = self._dependencies("linux-image-amd64", r"linux-image-\d")
        if not image:
            raise NotAvailable(f"{', '.join(self.suites)}: no linux-image-amd64")
        return image + self._dependencies(image[0], r"linux-(?:binary|modules)-\d")

    def header_packages(self, version):
        """The packages that modules for the kernel of that release string are built with: headers, and their tools."""
        self._update()
        headers = f"linux-headers-{version}"
        return [headers, *self._dependencies(headers, r"linux-(?:headers|kbuild)-\d")]

    def library_packages(self, package):
        """The packages with the shared libraries of `package`'s programs, and what these need in turn."""
        pattern = r"z?lib"
        direct = self._dependencies(package, pattern)
        return list(dict.fromkeys([*direct, *(name for one in direct for name in self._dependencies(one, pattern))]))

    def version(self, package):
        self._update()
        shown = self._run(["apt-cache", "show", "--no-all-versions", package])
        return re.search(r"^Version: (\S+)", shown, re.MULTILINE)[1]

    def download(self, package):
        """The path of the package's file; apt checks its hash against the signed lists."""
        self._update()
        archives = os.path.join(self.folder, "packages")
        os.makedirs(archives, exist_ok=True)
        self._run(["apt-get", "download", package], cwd=archives)
        candidates = glob.glob(f"{archives}/{package}_*.deb")
        if not candidates:
            raise NotAvailable(f"{package}: apt left no file")
        return max(candidates, key=os.path.getmtime)

    def _dependencies(self, package, pattern):
        shown = self._run(["apt-cache", "depends", package])
        return re.findall(rf"^ *Depends: ({pattern}\S*)", shown, re.MULTILINE)

    def _update(self):
        if self._updated:
            return
        for folder in ("state/lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(self.folder, folder), exist_ok=True)
        self._write_configuration()
        try:
            # A suite that has left the mirror is an error here, where apt by itself would only warn.
            self._run(["apt-get", "update", "-q", "--error-on=any"])
        except NotAvailable as reason:
            # The lists of an earlier run still name packages that were verified then.
            try:
                self._run(["apt-cache", "show", "linux-image-amd64"])
            except NotAvailable:
                raise reason from None
        self._updated = True

    def _write_configuration(self):
        main, security = mirrors(configured_sources())
        stanzas = []
        for suite in self.suites:
            source = security if suite.endswith("-security") else main
            if source is not None:
                # Only the package lists: no translations, no desktop metadata.
                stanzas.append(f"Types: deb\nURIs: {source.uri}\nSuites: {suite}\nComponents: main\n"
                               f"Architectures: amd64\nTargets: Packages\nSigned-By: {source.signed_by}\n")
        self._write("lab.sources", "\n".join(stanzas))
        # Backports are pinned low by default; here the highest version of the named suites is wanted.
        self._write("lab.preferences", "Package: *\nPin: release *\nPin-Priority: 500\n")
        settings = {
            "Dir::State": f"{self.folder}/state",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": f"{self.folder}/cache",
            "Dir::Etc::sourcelist": f"{self.folder}/lab.sources",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": f"{self.folder}/lab.preferences",
            "Dir::Etc::preferencesparts": "/dev/null",
            # The cache belongs to whoever runs the lab, where apt's own user can't write.
            "APT::Sandbox::User": "root",
            # An old release's lists stop being renewed; their signature still holds.
            "Acquire::Check-Valid-Until": "false",
            "Acquire::Retries": "2",
        }
        self._write("lab.conf", "".join(f'{key} "{value}";\n' for key, value in settings.items()))

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as stream:
            stream.write(text)

    def _run(self, command, cwd=None):
        # -c is read after /etc/apt/apt.conf.d (APT_CONFIG before it): nothing there can bring the system's lists back.
        command = [command[0], "-c", os.path.join(self.folder, "lab.conf"), *command[1:]]
        environment = dict(os.environ, LC_ALL="C.UTF-8")
        result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            lines = (result.stderr or result.stdout).strip().splitlines() or ["no message"]
            raise NotAvailable(f"{command[0]} {command[3]}: {lines[-1]}")
        return result.stdout
