#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <unistd.h>

/* PCI_COMMAND, PCI_BASE_ADDRESS_0 and bits of the command register (include/uapi/linux/pci_regs.h). */
enum { COMMAND = 0x04, FIRST_BAR = 0x10, DECODES_IO = 0x1, DECODES_MEMORY = 0x2 };

static int get(int config, int offset, void *value, size_t size) {
    ssize_t count = pread(config, value, size, offset);
    return count < 0 ? -errno : (size_t)count == size ? 0 : -EIO;
}

static int put(int config, int offset, const void *value, size_t size) {
    ssize_t count = pwrite(config, value, size, offset);
    return count < 0 ? -errno : (size_t)count == size ? 0 : -EIO;
}

/* The register is restored even when reading it failed; the first error is returned. */
static int size_bar(int config, int offset, uint32_t *found) {
    uint32_t ones = 0xffffffff;
    uint32_t former = 0;
    int error = get(config, offset, &former, sizeof(former));
    if (error != 0) return error;
    error = put(config, offset, &ones, sizeof(ones));
    if (error != 0) return error;
    error = get(config, offset, found, sizeof(*found));
    int restored = put(config, offset, &former, sizeof(former));
    return error != 0 ? error : restored;
}

int clinux_size_bars(int config, unsigned bars, uint32_t found[6]) {
    uint16_t command = 0;
    int error = get(config, COMMAND, &command, sizeof(command));
    if (error != 0) return error;
    /* Nothing answers. */
    if (command == 0xffff) return -EIO;
    uint16_t quiet = command & ~(DECODES_IO | DECODES_MEMORY);
    if (quiet != command) error = put(config, COMMAND, &quiet, sizeof(quiet));
    for (int bar = 0; bar < 6 && error == 0; bar++) {
        found[bar] = 0;
        if ((bars >> bar & 1) != 0) error = size_bar(config, FIRST_BAR + 4 * bar, &found[bar]);
    }
    if (quiet != command) {
        int restored = put(config, COMMAND, &command, sizeof(command));
        if (error == 0) error = restored;
    }
    return error;
}
