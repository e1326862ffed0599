/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module that depends on a driver of gpu.h and counts as a user of its card, from its load to its unload.
 * GPU_GET and GPU_PUT are that driver's.
 */
#include <linux/module.h>

void GPU_GET(void);
void GPU_PUT(void);

static int __init user_init(void)
{
	GPU_GET();
	return 0;
}
module_init(user_init);

static void __exit user_exit(void)
{
	GPU_PUT();
}
module_exit(user_exit);

MODULE_DESCRIPTION("A user of the lab's card, in the kernel");
MODULE_LICENSE("GPL");
