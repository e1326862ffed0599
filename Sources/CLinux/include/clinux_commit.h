/* The commit that the program was built from. */
#ifndef CLINUX_COMMIT_H
#define CLINUX_COMMIT_H

/*
 * The commit and its date, `3d0d71b, 2026-11-27`; empty for a release, and for a program that was not installed.
 *
 * It is the section .apertured.commit, which packaging/stamp fills in an installed program: so the same sources give the
 * same build, and a commit does not make anything be built anew.
 */
const char *clinux_commit(void);

#endif
