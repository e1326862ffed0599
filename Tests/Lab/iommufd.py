"""VFIO with an iommufd, which Debian's kernels come without: the modules of Debian's own source, configured with it.

The kernel stays Debian's, and so does the text of every file; only what `CONFIG_IOMMUFD` and `CONFIG_VFIO_DEVICE_CDEV`
decide is another: `/dev/iommu`, and a node of each device's own below `/dev/vfio/devices`. A kernel without the group
interface (`CONFIG_VFIO_GROUP`) can't be had this way; a scenario takes the group's nodes away instead.
"""

import glob
import os
import subprocess

import debian
from own_modules import Recipe

MODULES = ("iommufd", "vfio", "vfio_iommu_type1", "vfio_pci_core", "vfio_pci")
# As the kernel's own build would have it from its configuration, for make and for the compiler. The other users of the
# VFIO core are left out.
SETTINGS = ("CONFIG_IOMMUFD=m", "CONFIG_VFIO_DEVICE_CDEV=y",
            *(f"CONFIG_{name}=" for name in ("VFIO_MDEV", "MLX5_VFIO_PCI", "PDS_VFIO_PCI", "QAT_VFIO_PCI",
                                             "VIRTIO_VFIO_PCI", "VFIO_PLATFORM_BASE")))
KBUILD = """obj-m += drivers/iommu/iommufd/ drivers/vfio/
subdir-ccflags-y := -DCONFIG_IOMMUFD_MODULE=1 -DCONFIG_VFIO_DEVICE_CDEV=1 -DCONFIG_INTERVAL_TREE_SPAN_ITER=1
"""
# The one part of it that belongs into the kernel's image, whose other symbols of that file stay the kernel's.
SPANS = """iommufd-y += interval_tree.o
CFLAGS_interval_tree.o := -D__DISABLE_EXPORTS
"""
PARTS = ("drivers/vfio/*", "drivers/iommu/iommufd/*", "drivers/iommu/iommu-priv.h", "lib/interval_tree.c")


def _fill(work, release, kernel):
    """Puts the sources of the modules into `work`."""
    series = ".".join(kernel.version.split(".")[:2])
    package = f"linux-source-{series}"
    of_image, of_source = (release.version(name) for name in (f"linux-image-{kernel.version}", package))
    if of_image.split("+")[0] != of_source.split("+")[0]:
        raise debian.NotAvailable(f"{package} is {of_source}, and the kernel is {of_image}")
    unpacked = f"{work}.source"
    subprocess.run(["dpkg-deb", "-x", release.download(package), unpacked], check=True)
    archive, = glob.glob(f"{unpacked}/usr/src/{package}.tar.*")
    os.makedirs(work)
    subprocess.run(["tar", "-x", "-f", archive, "-C", work, "--strip-components=1", "--wildcards",
                    *(f"{package}/{part}" for part in PARTS)], check=True)
    iommufd = os.path.join(work, "drivers", "iommu", "iommufd")
    os.rename(os.path.join(work, "lib", "interval_tree.c"), os.path.join(iommufd, "interval_tree.c"))
    with open(os.path.join(iommufd, "Makefile"), "a", encoding="utf-8") as stream:
        stream.write(SPANS)
    with open(os.path.join(work, "Kbuild"), "w", encoding="utf-8") as stream:
        stream.write(KBUILD)


RECIPE = Recipe("iommufd-modules", MODULES, SETTINGS, _fill, lambda: (KBUILD + SPANS + repr(PARTS)).encode())
