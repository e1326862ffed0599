/* The lines of /proc/PID/maps. */
#ifndef CLINUX_MAPS_H
#define CLINUX_MAPS_H

#include <stdbool.h>
#include <stddef.h>

/* One mapping of a file. The pieces point into the line, and have no NUL at their end. */
struct clinux_mapping {
    /* The addresses, `00400000-00401000`; the end is exclusive. */
    const char *range;
    size_t range_length;
    /* What identifies the file: device, inode number and path, up to the line's end. */
    const char *file;
    size_t file_length;
    const char *path;
    size_t path_length;
};

/*
 * Splits a line (show_map_vma() in fs/proc/task_mmu.c): range, rights, offset, device, inode number, path. The line
 * comes without its line feed; a path contains none, as the kernel prints it as \012.
 *
 * Returns whether the line has a path that begins with a slash: anonymous memory has none.
 */
bool clinux_mapping_of_line(const char *line, size_t length, struct clinux_mapping *mapping);

#endif
