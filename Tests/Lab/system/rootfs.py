"""The full guest's disk: Debian 12 with systemd and udev, made once, the same for every kernel.

It holds no kernel and no modules, nothing of the lab's and nothing of apertured's: modules and the lab's agent come in
memory with each boot (boot.py), the package under test is installed by a boot of its own (image.py).
"""

import dataclasses
import hashlib
import os
import shutil
import subprocess
import tempfile

import debian
import kernels

# What a small Debian server has of what the scenarios touch. libstdc++6, libudev1 and libpci3 are the package's own
# business: apt would install them with it, dpkg in a machine without a network can't.
PACKAGES = ("systemd", "systemd-sysv", "udev", "dbus", "kmod", "pciutils", "libpci3", "libstdc++6",
            "procps")
# Never read by a scenario, and every megabyte is copied for every one of them.
EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/i18n/*", "/usr/share/info/*",
            "/usr/share/zoneinfo/*", "/usr/share/bash-completion/*", "/var/lib/apt/lists/*", "/var/cache/apt/*")
# Units that wait for a network, a person or a calendar that the machine doesn't have.
MASKED = ("getty@tty1.service", "serial-getty@ttyS0.service", "serial-getty@ttyS1.service",
          "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer",
          "systemd-networkd.service", "systemd-timesyncd.service", "systemd-pcrphase.service",
          # Seconds of every boot, for nothing that is looked at here.
          "e2scrub_reap.service", "systemd-random-seed.service", "systemd-update-utmp.service",
          "systemd-update-utmp-runlevel.service", "dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-debug.mount",
          "sys-kernel-tracing.mount", "modprobe@configfs.service", "modprobe@fuse.service")


@dataclasses.dataclass(frozen=True)
class Disk:
    """What a scenario starts from: the release of Debian, the packages beside those of every disk, the size, and what is
    run in the tree, $1."""
    suite: str = "bookworm"
    packages: tuple = ()
    size: str = "768M"
    commands: str = ""

    @property
    def name(self):
        # The suite last, so that no name with its hyphen begins with another's.
        return "+".join((*self.packages, self.suite))


BASE = Disk()
# libvirt's daemon starts when it is asked, takes the time that it needs (it tries its emulator, in an emulator), and does
# not end by itself when nobody has spoken to it for two minutes. The first boot enables what Debian's preset says, which is
# everything: also its socket for TLS, which needs certificates.
LIBVIRT = Disk(
    packages=("libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "libexpat1", "policykit-1"), size="2G",
    commands="""set -eu
rm "$1/etc/systemd/system/multi-user.target.wants/libvirtd.service"
mkdir -p "$1/etc/systemd/system-preset"
printf 'disable %s\\n' libvirtd.service libvirtd-tls.socket libvirtd-tcp.socket >"$1/etc/systemd/system-preset/00-lab.preset"
mkdir "$1/etc/systemd/system/libvirtd.service.d"
printf '[Service]\\nTimeoutStartSec=30min\\nEnvironment=LIBVIRTD_ARGS=\\n' >"$1/etc/systemd/system/libvirtd.service.d/lab.conf"
""")
# systemd 257, and the newest that Debian has.
DEBIAN_13 = Disk(suite="trixie", size="1G")
DEBIAN_NEWEST = Disk(suite="forky", size="1G")
# A theme that draws, and that looks for a screen at once.
PLYMOUTH = Disk(
    packages=("plymouth", "plymouth-themes"),
    commands="""printf '[Daemon]\\nTheme=spinner\\nShowDelay=0\\nDeviceTimeout=8\\n' >"$1/etc/plymouth/plymouthd.conf"
""")
# greetd shows weston instead of a greeter, as its own user, when it is asked to: at boot there may be no card yet.
DESKTOP = Disk(
    packages=("greetd", "weston", "libpam-systemd"), size="2G",
    commands="""set -eu
ln -sf /usr/lib/systemd/system/multi-user.target "$1/etc/systemd/system/default.target"
ln -sf /usr/lib/systemd/system/greetd.service "$1/etc/systemd/system/display-manager.service"
cat >"$1/etc/greetd/config.toml" <<'END'
[terminal]
vt = 7
[default_session]
command = "weston --backend=drm-backend.so --use-pixman --continue-without-input --idle-time=0 --log=/tmp/weston.log"
user = "_greetd"
END
""")

# podman's own services would begin its database before the lab chooses where it keeps images.
PODMAN = Disk(
    packages=("podman", "crun", "conmon"), size="2G",
    commands="""set -eu
mkdir -p "$1/etc/systemd/system-preset" "$1/etc/containers"
printf 'disable podman%s\\n' .service .socket -restart.service -auto-update.timer -auto-update.service \\
    >"$1/etc/systemd/system-preset/00-lab.preset"
find "$1/etc/systemd/system" -name 'podman*' -delete
printf '[storage]\\ndriver = "vfs"\\nrunroot = "/run/containers/storage"\\ngraphroot = "/var/lib/containers/storage"\\n' \\
    >"$1/etc/containers/storage.conf"
""")


def obtain(disk=BASE, refresh=False):
    """The path of the image; raises debian.NotAvailable with the reason if it can't be made."""
    packages = (*PACKAGES, *disk.packages)
    # The name says what went in, so that a change here makes a new one.
    recipe = (disk.suite, packages, EXCLUDED, MASKED, disk.size, _MASK + disk.commands, _PACK)
    recipe = hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]
    image = os.path.join(kernels.cache(), "system", f"{disk.name}-{recipe}.ext4")
    if os.path.exists(image) and not refresh:
        return image
    if os.geteuid() != 0:
        # Ownership inside the image: without root it would take a user namespace that can write to this cache.
        raise debian.NotAvailable("the full guest's disk is made by root, once")
    os.makedirs(os.path.dirname(image), exist_ok=True)
    _make(image, disk, packages)
    return image


# Run by mmdebstrap with the tree's path as $1. Machines differ in what is plugged in: names must not depend on it.
_MASK = """set -eu
for unit in $UNITS; do ln -sf /dev/null "$1/etc/systemd/system/$unit"; done
echo lab >"$1/etc/hostname"
: >"$1/etc/resolv.conf"
echo uninitialized >"$1/etc/machine-id"
mkdir -p "$1/usr/lib/modules"
"""
# A bind mount shows the tree without the /proc, /sys and /dev that are mounted in it for the packages' scripts.
_PACK = """set -eu
mount --bind "$1" "$MOUNT"
mke2fs -q -t ext4 -O ^has_journal -L system -m 0 -d "$MOUNT" "$IMAGE" "$SIZE"
umount "$MOUNT"
"""


def _make(image, disk, packages):
    main, security = debian.mirrors(debian.configured_sources())
    # Testing's lists are valid for a week, and a mirror may stand still for longer.
    lines = [f"deb [signed-by={main.signed_by} check-valid-until=no] {main.uri} {disk.suite} main"]
    if security:
        lines.append(f"deb [signed-by={security.signed_by} check-valid-until=no] {security.uri} {disk.suite}-security main")
    with tempfile.TemporaryDirectory(prefix="lab-") as work:
        fresh, mount = os.path.join(work, "image"), os.path.join(work, "tree")
        os.mkdir(mount)
        environment = dict(os.environ, UNITS=" ".join(MASKED), IMAGE=fresh, MOUNT=mount, SIZE=disk.size,
                           PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        command = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=null", "--quiet",
                   f"--include={','.join(packages)}", *(f"--dpkgopt=path-exclude={path}" for path in EXCLUDED),
                   f"--customize-hook={_MASK}", f"--customize-hook={disk.commands or 'true'}",
                   # The options above are kept as a file: what a scenario installs must be installed whole.
                   '--customize-hook=rm -f "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap',
                   '--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*',
                   f"--customize-hook={_PACK}", disk.suite, "/dev/null", *lines]
        made = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if made.returncode != 0 or not os.path.exists(fresh):
            said = [line for line in made.stderr.splitlines() if line.startswith("E: ")] or ["no message"]
            raise debian.NotAvailable(f"the full guest's disk: {said[0]}")
        # Beside its place first: no half an image is ever ready. A copy keeps the holes that a move would fill.
        beside = f"{image}.{os.getpid()}"
        copy(fresh, beside)
        os.replace(beside, image)
        for other in os.listdir(os.path.dirname(image)):
            if other.startswith(f"{disk.name}-") and other != os.path.basename(image):
                os.remove(os.path.join(os.path.dirname(image), other))


def copy(source, destination):
    """A disk of a machine's own: a reflink where the file system can, and no bytes where there are none."""
    subprocess.run([shutil.which("cp"), "--reflink=auto", "--sparse=always", source, destination], check=True)
