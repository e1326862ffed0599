"""The disk that scenarios start from: Debian with the package under test installed, and one card enabled.

Installed by a boot of its own, in a running system, as a person does it: the maintainer scripts have a systemd, a udev
and a journal to talk to. The image is kept beside the logs until the package or the base changes.
"""

import hashlib
import os

from . import rootfs
from .guest import ADDRESS, Broken, Guest

PACKAGE = "apertured.deb"
# The package of libvirt's hook, on the disk that has libvirt.
HOOK = "apertured-libvirt.deb"
# Every file that a package, an administrator or a running service could leave: to be compared before and after.
# What systemd and dpkg keep for themselves changes with every boot and every installation.
TRACES = ("find /etc /usr /run /var/lib -xdev -not -type d -not -path '/run/lab/*' -not -path '/run/udev/*' "
          "-not -path '/var/lib/dpkg/*' -not -path '/run/systemd/*' -not -path '/var/lib/systemd/*' "
          "-not -path '/usr/lib/modules/*' | sort")


def obtain(kernel, base, package, folder, say=lambda text: None, disk=rootfs.BASE):
    """The path of the image; raises Broken with the reason if the package can't be installed. `base` is the image
    of `disk`."""
    files = {PACKAGE: package}
    if disk == rootfs.LIBVIRT:
        files[HOOK] = package.replace("/apertured_", "/apertured-libvirt_")
    prefix = "installed-" if disk == rootfs.BASE else f"{disk.name}-installed-"
    image = os.path.join(folder, f"{prefix}{_fingerprint(base, *files.values())}.ext4")
    if os.path.exists(image):
        return image
    for name in os.listdir(folder):
        if name.startswith(prefix):
            os.remove(os.path.join(folder, name))
    say("installing the package")
    fresh = image + ".part"
    rootfs.copy(base, fresh)
    log = os.path.join(folder, prefix.rstrip("-"))
    with open(f"{log}.log", "w", encoding="utf-8"):
        pass
    with Guest(kernel, fresh, log, files=files, deadline=1500, patience=600) as guest:
        installed = guest.run("dpkg -i " + " ".join(f"/run/lab/{name}" for name in files), 300)
        if installed.status != 0:
            raise Broken(f"dpkg -i: {installed.text.splitlines()[-1]}")
        enabled = guest.run(f"systemctl enable apertured@{ADDRESS[1]}.service")
        if enabled.status != 0:
            raise Broken(f"systemctl enable: {enabled.text}")
        guest.power_off()
    os.replace(fresh, image)
    return image


def _fingerprint(*paths):
    digest = hashlib.sha256()
    for path in paths:
        digest.update(os.path.basename(path).encode())
        if path.endswith(".deb"):
            with open(path, "rb") as stream:
                digest.update(stream.read())
    return digest.hexdigest()[:12]
