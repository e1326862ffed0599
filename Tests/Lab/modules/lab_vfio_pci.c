// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VFIO variant driver for the lab's card: vfio-pci-core and nothing else, under a name of its own. As every variant
 * driver it never binds by itself, and `alias vfio_pci:v00001234d00001111…` in modules.alias names it.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/version.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#include <linux/iommufd.h>
#endif

static int variant_open(struct vfio_device *opened)
{
	struct vfio_pci_core_device *core = container_of(opened, struct vfio_pci_core_device, vdev);
	int error = vfio_pci_core_enable(core);

	if (error)
		return error;
	vfio_pci_core_finish_enable(core);
	return 0;
}

static const struct vfio_device_ops variant_ops = {
	.name = "lab-vfio-pci",
	.init = vfio_pci_core_init_dev,
	.release = vfio_pci_core_release_dev,
	.open_device = variant_open,
	.close_device = vfio_pci_core_close_device,
	.ioctl = vfio_pci_core_ioctl,
	.device_feature = vfio_pci_core_ioctl_feature,
	.read = vfio_pci_core_read,
	.write = vfio_pci_core_write,
	.mmap = vfio_pci_core_mmap,
	.request = vfio_pci_core_request,
	.match = vfio_pci_core_match,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	.bind_iommufd = vfio_iommufd_physical_bind,
	.unbind_iommufd = vfio_iommufd_physical_unbind,
	.attach_ioas = vfio_iommufd_physical_attach_ioas,
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	.detach_ioas = vfio_iommufd_physical_detach_ioas,
#endif
};

static int variant_probe(struct pci_dev *device, const struct pci_device_id *id)
{
	struct vfio_pci_core_device *core;
	int error;

	core = vfio_alloc_device(vfio_pci_core_device, vdev, &device->dev, &variant_ops);
	if (IS_ERR(core))
		return PTR_ERR(core);
	dev_set_drvdata(&device->dev, core);
	error = vfio_pci_core_register_device(core);
	if (error)
		vfio_put_device(&core->vdev);
	return error;
}

static void variant_remove(struct pci_dev *device)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&device->dev);

	vfio_pci_core_unregister_device(core);
	vfio_put_device(&core->vdev);
}

static const struct pci_device_id variant_ids[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(0x1234, 0x1111) },
	{}
};
MODULE_DEVICE_TABLE(pci, variant_ids);

static struct pci_driver variant_driver = {
	.name = KBUILD_MODNAME,
	.id_table = variant_ids,
	.probe = variant_probe,
	.remove = variant_remove,
	.err_handler = &vfio_pci_core_err_handlers,
	.driver_managed_dma = true,
};
module_pci_driver(variant_driver);

MODULE_DESCRIPTION("VFIO for the lab's card");
MODULE_LICENSE("GPL");
