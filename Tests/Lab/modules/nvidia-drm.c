// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The top of the stack, as NVIDIA's module of that name: with modeset=1 it is a user of the card from its load to its
 * unload, without any process. NVIDIA's nv_drm_load() allocates the device under the same condition.
 */
#include <linux/module.h>

void nvidia_modeset_get(void);
void nvidia_modeset_put(void);

static bool modeset, fbdev;

module_param(modeset, bool, 0400);
module_param(fbdev, bool, 0400);

static int __init drm_init(void)
{
	if (modeset)
		nvidia_modeset_get();
	return 0;
}
module_init(drm_init);

static void __exit drm_exit(void)
{
	if (modeset)
		nvidia_modeset_put();
}
module_exit(drm_exit);

MODULE_DESCRIPTION("The lab's stand-in for nvidia-drm");
MODULE_LICENSE("GPL");
