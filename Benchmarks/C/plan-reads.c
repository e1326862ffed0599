// Reads the files that a plan needs and prints the entries in the GPU's memory BARs, in simple C.
// Usage: plan-reads ROOT ADDRESS, such as plan-reads / 0000:01:00.0
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *root;
static char text[PATH_MAX];

// Reads the start of a file into `text`, which is empty when the file cannot be read.
static ssize_t read_text(const char *directory, const char *name) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s/%s", root, directory, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    text[length < 0 ? 0 : length] = 0;
    return length;
}

// Reads the last component of a link's target into `text`.
static int read_link(const char *directory, const char *name) {
    char path[PATH_MAX], target[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s/%s", root, directory, name);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0)
        return 0;
    target[length] = 0;
    char *slash = strrchr(target, '/');
    strcpy(text, slash ? slash + 1 : target);
    return 1;
}

static DIR *open_list(const char *directory) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", root, directory);
    return opendir(path);
}

static const char *next_name(DIR *list) {
    struct dirent *entry;
    while ((entry = readdir(list)))
        if (entry->d_name[0] != '.')
            return entry->d_name;
    return NULL;
}

struct entry {
    unsigned long long start, last;
    char *name;
};

static size_t read_iomem(struct entry **entries) {
    char path[PATH_MAX], name[256], *line = NULL;
    size_t count = 0, capacity = 0, size = 0;
    snprintf(path, sizeof path, "%s/proc/iomem", root);
    FILE *file = fopen(path, "re");
    if (!file) {
        perror(path);
        exit(1);
    }
    *entries = NULL;
    while (getline(&line, &size, file) > 0) {
        struct entry entry;
        if (sscanf(line, "%llx-%llx : %255[^\n]", &entry.start, &entry.last, name) != 3)
            exit(1);
        if (count == capacity) {
            capacity = capacity ? capacity * 2 : 256;
            *entries = realloc(*entries, capacity * sizeof **entries);
            if (!*entries)
                exit(1);
        }
        entry.name = strdup(name);
        (*entries)[count++] = entry;
    }
    free(line);
    fclose(file);
    return count;
}

static void read_group(const char *device) {
    char members[PATH_MAX], directory[PATH_MAX + NAME_MAX];
    if (!read_link(device, "iommu_group"))
        return;
    snprintf(members, sizeof members, "sys/kernel/iommu_groups/%.64s", text);
    read_text(members, "name");
    strcat(members, "/devices");
    DIR *list = open_list(members);
    if (!list)
        return;
    for (const char *name; (name = next_name(list));) {
        snprintf(directory, sizeof directory, "%s/%s", members, name);
        read_link(directory, "driver");
    }
    closedir(list);
}

static int by_name(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    root = argv[1];
    const char *gpu = argv[2];
    struct entry *entries;
    size_t count = read_iomem(&entries);

    char *names[4096], display[4096] = {0}, directory[PATH_MAX];
    size_t devices = 0;
    DIR *list = open_list("sys/bus/pci/devices");
    if (!list)
        return 1;
    for (const char *name; devices < 4096 && (name = next_name(list));)
        names[devices++] = strdup(name);
    closedir(list);
    qsort(names, devices, sizeof *names, by_name);
    for (size_t i = 0; i < devices; i++) {
        snprintf(directory, sizeof directory, "sys/bus/pci/devices/%s", names[i]);
        read_text(directory, "class");
        display[i] = strtoul(text, NULL, 16) >> 16 == 3;
    }
    int found = 0;
    for (size_t i = 0; i < devices; i++) {
        int sibling = 0;
        for (size_t j = 0; j < devices; j++)
            sibling |= display[j] && !strncmp(names[i], names[j], strlen(names[i]) - 1);
        if (!sibling)
            continue;
        snprintf(directory, sizeof directory, "sys/bus/pci/devices/%s", names[i]);
        read_text(directory, "vendor");
        read_text(directory, "device");
        read_link(directory, "driver");
        read_text(directory, "driver_override");
        read_text(directory, "boot_vga");
        read_group(directory);
        read_text(directory, "resource");
        if (strcmp(names[i], gpu))
            continue;
        found = 1;
        char *row = text;
        for (int bar = 0; bar < 6; bar++) {
            unsigned long long start, last, flags;
            int length;
            if (sscanf(row, "%llx %llx %llx\n%n", &start, &last, &flags, &length) != 3)
                return 1;
            row += length;
            if (!(flags & 0x200))
                continue;
            for (size_t k = 0; k < count; k++)
                if (entries[k].start <= last && entries[k].last >= start)
                    printf("BAR %d: 0x%llx-0x%llx %s\n", bar, entries[k].start, entries[k].last, entries[k].name);
        }
    }

    if ((list = open_list("sys/bus/platform/devices"))) {
        for (const char *name; (name = next_name(list));) {
            if (!strstr(name, "framebuffer"))
                continue;
            char target[PATH_MAX * 2];
            snprintf(directory, sizeof directory, "sys/bus/platform/devices/%s", name);
            read_link(directory, "driver");
            read_text(directory, "driver_override");
            snprintf(target, sizeof target, "%s/%s", root, directory);
            if (readlink(target, text, sizeof text) < 0)
                return 1;
        }
        closedir(list);
    }
    if ((list = open_list("sys/class/graphics"))) {
        for (const char *name; (name = next_name(list));) {
            if (strncmp(name, "fb", 2))
                continue;
            snprintf(directory, sizeof directory, "sys/class/graphics/%s", name);
            read_link(directory, "device");
            read_text("dev", name);
        }
        closedir(list);
    }
    if ((list = open_list("sys/class/vtconsole"))) {
        for (const char *name; (name = next_name(list));) {
            snprintf(directory, sizeof directory, "sys/class/vtconsole/%s", name);
            read_text(directory, "name");
            read_text(directory, "bind");
        }
        closedir(list);
    }
    read_text("sys/kernel/boot_params", "data");
    read_text("proc/sys/kernel", "osrelease");
    char driver[PATH_MAX];
    snprintf(driver, sizeof driver, "%s/sys/bus/pci/drivers/vfio-pci", root);
    if (access(driver, F_OK))
        puts("no vfio-pci");
    return found ? 0 : 1;
}
