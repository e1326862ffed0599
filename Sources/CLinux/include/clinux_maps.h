/* The lines of /proc/PID/maps. */
#ifndef CLINUX_MAPS_H
#define CLINUX_MAPS_H

#include <stdbool.h>
#include <stddef.h>

/* One mapping of a file. The pieces are those of the line, and end with nothing. */
struct clinux_mapping {
    /* The addresses, `00400000-00401000`, half-open. */
    const char *range;
    size_t range_length;
    /* What tells the file: device, inode number and path, up to the line's end. */
    const char *file;
    size_t file_length;
    const char *path;
    size_t path_length;
};

/*
 * Takes a line apart (show_map_vma() in fs/proc/task_mmu.c): range, rights, offset, device, inode number, path. The line
 * is without its line feed; a path has none, as the kernel prints it as \012.
 *
 * Returns whether the line has a path that begins with a slash: anonymous memory has none.
 */
bool clinux_mapping_of_line(const char *line, size_t length, struct clinux_mapping *mapping);

#endif
