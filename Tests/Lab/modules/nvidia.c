// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The driver of gpu.h under the name of NVIDIA's. Nothing in it is NVIDIA's: what the lab wants of it is how the driver
 * and its dependents stand in /sys/module, and what happens on an unbind.
 */
#define GPU_GET nvidia_gpu_get
#define GPU_PUT nvidia_gpu_put
/* It knows its cards, and takes them again when it is loaded again. */
#define GPU_IDS { PCI_DEVICE(0x1234, 0x1111) }
#include "gpu.h"
