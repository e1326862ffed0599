/* A rescan that gives a device its driver_override as soon as it appears. */
#ifndef CLINUX_RESCAN_H
#define CLINUX_RESCAN_H

#include <stdbool.h>

struct clinux_rescan {
    /* 0, or the errno of the rescan itself. */
    int rescan_errno;
    /* 0, or the errno of the write to driver_override. */
    int override_errno;
    /* Whether the override was written before the rescan was over. */
    bool during_rescan;
};

/*
 * Writes "1" to `rescan`, below a root (see clinux_open.h). Meanwhile a second thread waits for `driver_override` to
 * appear and writes `value` to it.
 *
 * The kernel shows a device's attributes in device_add(), and only later, after it has assigned the BARs, looks for a
 * driver in pci_bus_add_device(): device_attach() then takes the first that matches, whatever drivers_autoprobe says. A
 * driver_override that is written between the two decides the match. User space cannot delay the second step, so the
 * thread tries to write again and again, on a processor of its own, for as long as the rescan lasts. An event would
 * come too late: the kernel sends it at the same time, but it takes a wake-up to arrive.
 *
 * Returns 0, or the errno of starting the thread; then nothing was written.
 */
int clinux_rescan(
    const char *root, const char *rescan, const char *driver_override, const char *value,
    struct clinux_rescan *result);

#endif
