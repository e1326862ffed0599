/*
 * kexec: boots another kernel without the firmware, as far as systemd asks kexec(8) to. Debian's needs Xen's libraries.
 *
 * Usage: kexec -l KERNEL INITRAMFS    loads them, for the present command line
 *        kexec -e                     boots them at once; what systemd-shutdown runs last
 *
 * Exit status: 0, or 1 when a call failed (the line names it).
 */
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fail(const char *what)
{
    perror(what);
    return 1;
}

static int load(const char *kernel, const char *initramfs)
{
    char line[4096] = "";
    int files[] = {open("/proc/cmdline", O_RDONLY), open(kernel, O_RDONLY), open(initramfs, O_RDONLY)};
    if (files[0] < 0 || read(files[0], line, sizeof line - 1) < 0)
        return fail("/proc/cmdline");
    line[strcspn(line, "\n")] = 0;
    if (syscall(SYS_kexec_file_load, files[1], files[2], strlen(line) + 1, line, 0UL))
        return fail("kexec_file_load");
    return 0;
}

int main(int count, char **words)
{
    if (count == 4 && !strcmp(words[1], "-l"))
        return load(words[2], words[3]);
    if (count == 2 && !strcmp(words[1], "-e")) {
        reboot(LINUX_REBOOT_CMD_KEXEC);
        return fail("reboot");
    }
    fprintf(stderr, "usage: kexec -l KERNEL INITRAMFS | -e\n");
    return 1;
}
