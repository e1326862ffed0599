// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Between nvidia and nvidia-drm, as NVIDIA's module of that name: it depends on the driver, and counts as a user of the
 * card only while somebody who depends on it asks for that.
 */
#include <linux/module.h>

void nvidia_gpu_get(void);
void nvidia_gpu_put(void);
void nvidia_modeset_get(void);
void nvidia_modeset_put(void);

void nvidia_modeset_get(void)
{
	nvidia_gpu_get();
}
EXPORT_SYMBOL_GPL(nvidia_modeset_get);

void nvidia_modeset_put(void)
{
	nvidia_gpu_put();
}
EXPORT_SYMBOL_GPL(nvidia_modeset_put);

MODULE_DESCRIPTION("The lab's stand-in for nvidia-modeset");
MODULE_LICENSE("GPL");
