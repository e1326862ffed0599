// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes one function answer as a card does that fell off its bus or is stuck in D3cold: every read of its configuration
 * gives all ones, and a write is lost. The rest of its bus is as it was. Unloading ends it.
 *
 *   function    DDDD:BB:DD.F
 *
 * The card's memory goes on answering: the kernel has no place to stand between it and its readers.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>

static char *function;
module_param(function, charp, 0400);

static struct pci_dev *device;
static struct pci_ops *original;
static struct pci_ops ops;

static int dead_read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *value)
{
	if (devfn != device->devfn)
		return original->read(bus, devfn, where, size, value);
	/* As the bridge above an absent card does: the value says it, not the return code. */
	*value = size == 4 ? 0xffffffff : (1u << (size * 8)) - 1;
	return PCIBIOS_SUCCESSFUL;
}

static int dead_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 value)
{
	if (devfn != device->devfn)
		return original->write(bus, devfn, where, size, value);
	return PCIBIOS_SUCCESSFUL;
}

static int __init dead_init(void)
{
	unsigned int domain, bus, slot, number;

	if (!function || sscanf(function, "%x:%x:%x.%x", &domain, &bus, &slot, &number) != 4)
		return -EINVAL;
	device = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, number));
	if (!device)
		return -ENODEV;
	/* In place before the first call can come. Nobody else replaces the operations of a bus in the lab's kernels. */
	original = device->bus->ops;
	ops = *original;
	ops.read = dead_read;
	ops.write = dead_write;
	pci_bus_set_ops(device->bus, &ops);
	return 0;
}
module_init(dead_init);

static void __exit dead_exit(void)
{
	pci_bus_set_ops(device->bus, original);
	/* An access under way has interrupts off (pci_lock), which a grace period waits for. */
	synchronize_rcu();
	pci_dev_put(device);
}
module_exit(dead_exit);

MODULE_DESCRIPTION("A card whose configuration reads all ones");
MODULE_LICENSE("GPL");
