#include "cpci_callbacks.h"

#include <pci/pci.h>
#include <setjmp.h>
#include <stddef.h>

/*
 * libpci's code assumes that `error` does not return, so it jumps back to the call of ours that is running. There is
 * one thread, and one call at a time.
 */
static jmp_buf gave_up;

static void __attribute__((noreturn)) error(char *message, ...) {
    (void)message;
    longjmp(gave_up, 1);
}

static void silent(char *message, ...) { (void)message; }

void cpci_prepare(struct pci_access *access) {
    access->error = error;
    access->warning = silent;
    access->debug = silent;
}

const char *cpci_name(struct pci_access *access, char *buffer, int size, int vendor, int device) {
    if (setjmp(gave_up)) return NULL;
    return pci_lookup_name(
        access, buffer, size, PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE, vendor, device);
}

void cpci_close(struct pci_access *access) {
    if (setjmp(gave_up)) return;
    pci_cleanup(access);
}
