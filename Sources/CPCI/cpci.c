#include "cpci.h"

#include <dlfcn.h>
#include <pci/pci.h>
#include <setjmp.h>
#include <stddef.h>

/* The library's name since 2008; a release that breaks what is used here has another one. */
#define LIBRARY "libpci.so.3"

/* The functions of libpci that are used. */
static struct {
    __typeof__(pci_alloc) *alloc;
    __typeof__(pci_lookup_name) *lookup_name;
    __typeof__(pci_cleanup) *cleanup;
} libpci;

/*
 * libpci's code assumes that `error` does not return, so it jumps back to the call of ours that is running. There is
 * one thread, and one call at a time.
 */
static jmp_buf gave_up;

/* libpci's own `error` calls exit(1), its `warning` and `debug` write to the standard error. */
static void __attribute__((noreturn)) error(char *message, ...) {
    (void)message;
    longjmp(gave_up, 1);
}

static void silent(char *message, ...) { (void)message; }

static void *load(const char *name) {
    static void *library;
    if (library == NULL) library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    return library == NULL ? NULL : dlsym(library, name);
}

struct pci_access *cpci_open(void) {
    libpci.alloc = load("pci_alloc");
    libpci.lookup_name = load("pci_lookup_name");
    libpci.cleanup = load("pci_cleanup");
    if (libpci.alloc == NULL || libpci.lookup_name == NULL || libpci.cleanup == NULL) return NULL;
    struct pci_access *access = libpci.alloc();
    if (access == NULL) return NULL;
    access->error = error;
    access->warning = silent;
    access->debug = silent;
    return access;
}

const char *cpci_name(struct pci_access *access, char *buffer, int size, int vendor, int device) {
    if (setjmp(gave_up)) return NULL;
    return libpci.lookup_name(access, buffer, size, PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE, vendor, device);
}

const char *cpci_vendor_name(struct pci_access *access, char *buffer, int size, int vendor) {
    if (setjmp(gave_up)) return NULL;
    return libpci.lookup_name(access, buffer, size, PCI_LOOKUP_VENDOR, vendor);
}

const char *cpci_device_name(struct pci_access *access, char *buffer, int size, int vendor, int device) {
    if (setjmp(gave_up)) return NULL;
    return libpci.lookup_name(access, buffer, size, PCI_LOOKUP_DEVICE, vendor, device);
}

void cpci_close(struct pci_access *access) {
    if (setjmp(gave_up)) return;
    libpci.cleanup(access);
}
