/*
 * Swift's overlay of the C library holds a call of hypotf(3), which nothing in apertured makes. glibc 2.35 gave that
 * function a new symbol version, so that the program would not start with an older one.
 */
#include <math.h>

float hypotf(float x, float y) {
    if (isinf(x) || isinf(y)) return INFINITY;
    /* The squares of floats fit in a double. */
    return (float)__builtin_sqrt((double)x * x + (double)y * y);
}
