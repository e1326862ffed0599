#include "clinux_maps.h"

bool clinux_mapping_of_line(const char *line, size_t length, struct clinux_mapping *mapping) {
    int spaces = 0;
    size_t file = 0;
    mapping->range_length = 0;
    for (size_t index = 0; index < length; index++) {
        if (line[index] == ' ') {
            spaces++;
            if (spaces == 1) mapping->range_length = index;
            if (spaces == 3) file = index + 1;
        } else if (line[index] == '/' && spaces > 3) {
            mapping->range = line;
            mapping->file = line + file;
            mapping->file_length = length - file;
            mapping->path = line + index;
            mapping->path_length = length - index;
            return true;
        } else if (spaces > 4) {
            /* A name in brackets, or of something that is not a file. */
            return false;
        }
    }
    return false;
}
