/* Names of PCI devices from pci.ids, through libpci. */
#ifndef CPCI_H
#define CPCI_H

struct pci_access;

/*
 * Loads libpci, if it is installed, and prepares it for looking up names: NULL without it, and without memory. The bus
 * is not touched (no pci_init()): no access method works on a machine without PCI.
 *
 * libpci is loaded here and not linked, as it brings two more libraries along, which each start would have to load, and
 * few runs print a name.
 */
struct pci_access *cpci_open(void);

/* The name of a device from pci.ids ("Vendor Device"), in `buffer`; NULL where libpci knows none or gave up. */
const char *cpci_name(struct pci_access *access, char *buffer, int size, int vendor, int device);

/* The two parts of that name, each with the same results. */
const char *cpci_vendor_name(struct pci_access *access, char *buffer, int size, int vendor);
const char *cpci_device_name(struct pci_access *access, char *buffer, int size, int vendor, int device);

/* Frees the access and what it has loaded (pci_cleanup()). */
void cpci_close(struct pci_access *access);

#endif
