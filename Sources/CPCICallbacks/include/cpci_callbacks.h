/* libpci's callbacks are variadic function pointers, which Swift cannot write. */
#ifndef CPCI_CALLBACKS_H
#define CPCI_CALLBACKS_H

struct pci_access;

/*
 * Installs callbacks that neither exit nor print: libpci's own `error` calls exit(1), its `warning` and `debug` write
 * to the standard error. pci_init() is not called: names need no access to the bus, and no access method works on a
 * machine without PCI.
 */
void cpci_prepare(struct pci_access *access);

/* The name of a device from pci.ids ("Vendor Device"), in `buffer`; NULL where libpci knows none or gave up. */
const char *cpci_name(struct pci_access *access, char *buffer, int size, int vendor, int device);

/* Frees the access and what it has loaded (pci_cleanup()). */
void cpci_close(struct pci_access *access);

#endif
