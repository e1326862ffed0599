/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stand-in for a graphics driver that cannot let go of a card in use: its remove() waits, uninterruptibly, for as
 * long as anyone counts as a user of the card. nvidia's does (nv_pci_remove_helper(), "We can't return from this
 * function without corrupting state, so we wait for the usage count to go to zero").
 *
 * A source file that defines GPU_GET and GPU_PUT, the names of the two functions for dependent modules, and includes
 * this is such a driver; it is called as the module is. It has no ids of its own, unless GPU_IDS defines some: a card
 * comes to it by `new_id` or `driver_override`. Like nvidia's it takes no framebuffer away, and owns the card's registers (here: BAR 2) in
 * /proc/iomem.
 *
 * Parameters, all of which can be written while the driver is loaded:
 *   users       counts so many users besides the dependent modules; 0 is the word to let go
 *   hold_probe  probe() waits, uninterruptibly, until this is cleared
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/pci.h>

#define REGISTERS 2

static atomic_t dependents = ATOMIC_INIT(0);
static unsigned int users;
static bool hold_probe;

module_param(users, uint, 0644);
module_param(hold_probe, bool, 0644);

void GPU_GET(void);
void GPU_PUT(void);

void GPU_GET(void)
{
	atomic_inc(&dependents);
}
EXPORT_SYMBOL_GPL(GPU_GET);

void GPU_PUT(void)
{
	atomic_dec(&dependents);
}
EXPORT_SYMBOL_GPL(GPU_PUT);

static bool in_use(void)
{
	return atomic_read(&dependents) != 0 || READ_ONCE(users) != 0;
}

static int gpu_probe(struct pci_dev *device, const struct pci_device_id *id)
{
	int error;

	if (READ_ONCE(hold_probe))
		pci_warn(device, "probe is held\n");
	while (READ_ONCE(hold_probe))
		msleep(100);

	error = pci_enable_device_mem(device);
	if (error)
		return error;
	error = pci_request_region(device, REGISTERS, KBUILD_MODNAME);
	if (error) {
		pci_disable_device(device);
		return error;
	}
	return 0;
}

static void gpu_remove(struct pci_dev *device)
{
	if (in_use())
		pci_err(device, "Attempting to remove device %s with non-zero usage count!\n", pci_name(device));
	/* msleep() waits in D state, and no signal ends it. */
	while (in_use())
		msleep(100);

	pci_release_region(device, REGISTERS);
	pci_disable_device(device);
}

#ifdef GPU_IDS
static const struct pci_device_id ids[] = { GPU_IDS, { } };
MODULE_DEVICE_TABLE(pci, ids);
#endif

static struct pci_driver gpu_driver = {
	.name = KBUILD_MODNAME,
#ifdef GPU_IDS
	.id_table = ids,
#endif
	.probe = gpu_probe,
	.remove = gpu_remove,
};
module_pci_driver(gpu_driver);

MODULE_DESCRIPTION("A driver for the lab's card that cannot be unbound while the card is in use");
MODULE_LICENSE("GPL");
