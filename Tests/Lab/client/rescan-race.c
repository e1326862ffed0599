/*
 * rescan-race: how often clinux_rescan() is quicker than a native driver that is loaded and waiting.
 *
 * Usage: rescan-race 0000:01:00.0 guarded|plain ROUNDS NATIVE-DRIVER
 *
 * Each round removes the card and rescans its bus. `guarded` is the product's way, clinux_rescan(); `plain` writes the
 * rescan and then the override, as scripts do. A round is won when the native driver does not have the card at the end.
 * Prints one line, "WON of ROUNDS". Exit status: 0, or 2 when something else failed (the line says what).
 */
#include "clinux_rescan.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char device[128], driver_override[160], rescan[128];

static int put(const char *path, const char *value)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return errno;
	int error = write(file, value, strlen(value)) < 0 ? errno : 0;
	close(file);
	return error;
}

static int failed(const char *what, int error)
{
	printf("%s: %s\n", what, strerror(error));
	return 2;
}

/* The name of the card's driver, "" for none. */
static const char *driver(void)
{
	static char target[256];
	char link[160];

	snprintf(link, sizeof link, "%s/driver", device);
	ssize_t length = readlink(link, target, sizeof target - 1);
	target[length < 0 ? 0 : length] = '\0';
	return length < 0 ? "" : basename(target);
}

static int unbind(const char *address)
{
	char path[320];

	if (*driver() == '\0')
		return 0;
	snprintf(path, sizeof path, "%s/driver/unbind", device);
	return put(path, address);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: %s DDDD:BB:DD.F guarded|plain ROUNDS NATIVE-DRIVER\n", argv[0]);
		return 2;
	}
	const char *address = argv[1];
	int guarded = strcmp(argv[2], "guarded") == 0, rounds = atoi(argv[3]), won = 0;

	snprintf(device, sizeof device, "/sys/bus/pci/devices/%s", address);
	snprintf(driver_override, sizeof driver_override, "%s/driver_override", device);
	snprintf(rescan, sizeof rescan, "/sys/class/pci_bus/%.7s/rescan", address);

	for (int round = 0; round < rounds; ++round) {
		char remove[160];
		int error = unbind(address);
		if (error)
			return failed("unbind", error);
		snprintf(remove, sizeof remove, "%s/remove", device);
		error = put(remove, "1");
		if (error)
			return failed(remove, error);

		if (guarded) {
			struct clinux_rescan result = { 0 };
			error = clinux_rescan(NULL, rescan, driver_override, "vfio-pci", &result);
			if (error || result.rescan_errno)
				return failed("clinux_rescan", error ? error : result.rescan_errno);
		} else {
			error = put(rescan, "1");
			if (error)
				return failed(rescan, error);
			put(driver_override, "vfio-pci");
		}
		if (access(device, F_OK) != 0)
			return failed("the card did not come back", errno);
		won += strcmp(driver(), argv[4]) != 0;
	}
	printf("%d of %d\n", won, rounds);
	return unbind(address) ? failed("unbind", errno) : 0;
}
