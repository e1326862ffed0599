// What the product asks of a file system and nothing else shows: that a file was flushed, and when.
//
// fsync(2), renameat(2) and unlinkat(2) are defined here in libc's place, for the whole test program. They do their work, and
// are written down for the thread that called them.

#pragma once

/// Forgets what this thread has called, and what was to fail.
void ccalls_begin(void);

/// What this thread has called since, one a line: `fsync NAME`, `rename NAME NAME`, `unlink NAME`.
const char *ccalls_log(void);

/// Lets a later fsync of this thread fail, counted from 0.
void ccalls_fail_fsync(int number, int error);
