/* Files that have no name yet, so that nothing is left behind when the process ends too early. */
#ifndef CLINUX_OUTPUT_H
#define CLINUX_OUTPUT_H

/* A file in memory (memfd_create(2)), or -errno. */
int clinux_memory_file(void);

/*
 * A file without a name in this folder, for its owner alone (O_TMPFILE of open(2)), or -errno: -EOPNOTSUPP where the
 * file system has no such files.
 */
int clinux_unnamed_file(const char *folder);

/* Gives such a file a name. Returns 0 or -errno: -EEXIST where the name is taken. */
int clinux_name_file(int file, const char *path);

#endif
