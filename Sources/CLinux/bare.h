/* System calls that do not touch errno, for code in a process that shares its memory with another (CLONE_VM). */
#ifndef CLINUX_BARE_H
#define CLINUX_BARE_H

/* A sanitizer's own code would use the shared memory; gcc has no such attribute. */
#if defined(__has_attribute)
#if __has_attribute(disable_sanitizer_instrumentation)
#define UNINSTRUMENTED __attribute__((disable_sanitizer_instrumentation))
#endif
#endif
#ifndef UNINSTRUMENTED
#define UNINSTRUMENTED
#endif

/* Like syscall(2), but returns an error as -errno. */
UNINSTRUMENTED __attribute__((unused)) static long bare5(
    long number, long first, long second, long third, long fourth, long fifth) {
#if defined(__x86_64__)
    register long r10 __asm__("r10") = fourth;
    register long r8 __asm__("r8") = fifth;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(second), "d"(third), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = first;
    register long x1 __asm__("x1") = second;
    register long x2 __asm__("x2") = third;
    register long x3 __asm__("x3") = fourth;
    register long x4 __asm__("x4") = fifth;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
#else
#error "no system calls for this processor"
#endif
}

UNINSTRUMENTED __attribute__((unused)) static long bare(
    long number, long first, long second, long third, long fourth) {
    return bare5(number, first, second, third, fourth, 0);
}

#endif
