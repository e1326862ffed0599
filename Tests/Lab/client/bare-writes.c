/*
 * Makes the writes of a claim, or those of its release, and nothing else: no look at the machine, no record, no proof.
 * What a claim costs beside them is what apertured adds.
 *
 * Usage: bare-writes claim|release GPU FRAMEBUFFER, such as bare-writes claim 0000:01:00.0 efi-framebuffer.0
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PCI "/sys/bus/pci"
#define PLATFORM "/sys/bus/platform"

static int failures;

static void put(const char *text, const char *format, const char *name) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, format, name);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, text, strlen(text)) < 0) {
        perror(path);
        failures++;
    }
    if (file >= 0) close(file);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    const char *gpu = argv[2], *framebuffer = argv[3];
    char driver[64];
    snprintf(driver, sizeof driver, "%.*s", (int)strcspn(framebuffer, "."), framebuffer);
    if (strcmp(argv[1], "claim") == 0) {
        put("vfio-pci", PCI "/devices/%s/driver_override", gpu);
        put("vfio-pci", PLATFORM "/devices/%s/driver_override", framebuffer);
        put(framebuffer, PLATFORM "/drivers/%s/unbind", driver);
        put(gpu, PCI "/%s", "drivers_probe");
    } else if (strcmp(argv[1], "release") == 0) {
        put(gpu, PCI "/drivers/%s/unbind", "vfio-pci");
        put("\n", PCI "/devices/%s/driver_override", gpu);
        put("\n", PLATFORM "/devices/%s/driver_override", framebuffer);
        put(framebuffer, PLATFORM "/drivers/%s/bind", driver);
    } else {
        return 2;
    }
    return failures != 0;
}
