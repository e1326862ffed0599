// SPDX-License-Identifier: GPL-2.0-or-later
/* nvidia's other dependent. It is loaded when a program computes, stays, and then is a user of the card. */
#define GPU_GET nvidia_gpu_get
#define GPU_PUT nvidia_gpu_put
#include "user.h"
