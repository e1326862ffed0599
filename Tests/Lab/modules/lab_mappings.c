// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Holds the lock of a process's mappings, as a page fault does that waits for a file system: whoever reads its maps
 * waits, too. Unloading lets go.
 *
 *   process    its id
 */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>

static int process;
module_param(process, int, 0400);

static struct mm_struct *mappings;
static struct task_struct *holder;
static DECLARE_COMPLETION(is_held);

/* A lock is given back by the thread that took it. */
static int hold(void *unused)
{
	mmap_write_lock(mappings);
	complete(&is_held);
	while (!kthread_should_stop()) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	mmap_write_unlock(mappings);
	return 0;
}

static int __init mappings_init(void)
{
	struct pid *pid = find_get_pid(process);
	struct task_struct *task = get_pid_task(pid, PIDTYPE_PID);

	put_pid(pid);
	if (!task)
		return -ESRCH;
	mappings = get_task_mm(task);
	put_task_struct(task);
	if (!mappings)
		return -EINVAL;
	holder = kthread_run(hold, NULL, "lab_mappings");
	if (IS_ERR(holder)) {
		mmput(mappings);
		return PTR_ERR(holder);
	}
	wait_for_completion(&is_held);
	return 0;
}
module_init(mappings_init);

static void __exit mappings_exit(void)
{
	kthread_stop(holder);
	mmput(mappings);
}
module_exit(mappings_exit);

MODULE_DESCRIPTION("A process whose mappings are locked");
MODULE_LICENSE("GPL");
