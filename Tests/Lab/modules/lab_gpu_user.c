// SPDX-License-Identifier: GPL-2.0-or-later
/* lab_gpu's dependent. */
#define GPU_GET lab_gpu_get
#define GPU_PUT lab_gpu_put
#include "user.h"
