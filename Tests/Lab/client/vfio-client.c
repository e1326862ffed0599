/*
 * vfio-client: a witness that shares no code with apertured.
 *
 * Usage: vfio-client 0000:01:00.0 [hold SECONDS | hide SECONDS]
 *
 * Opens the device through its VFIO group and a type 1 container, then maps every memory BAR that VFIO offers for
 * mapping and reads its first word. It changes nothing. With `hold` it then keeps everything open, as a guest would. With
 * `hide` it does so where nobody can see it: in messages to itself that it does not read, so that the descriptors are in
 * no process's table.
 *
 * Exit status: 0 every such BAR was mapped; 1 at least one mmap failed (the line says why);
 * 2 VFIO could not be set up (the line names the call).
 *
 * mmap is the moment of truth: vfio-pci reserves a BAR with pci_request_selected_regions() only then (from 7.2 on at
 * open, where a failure is silent), so a successful bind says nothing about a claim that is still inside the BAR.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int failed(const char *call)
{
	printf("%s: %s (errno %d)\n", call, strerror(errno), errno);
	return 2;
}

static int open_group(const char *address)
{
	char link[256], target[256], node[64];

	snprintf(link, sizeof link, "/sys/bus/pci/devices/%s/iommu_group", address);
	ssize_t length = readlink(link, target, sizeof target - 1);
	if (length < 0)
		return failed(link), -1;
	target[length] = '\0';

	snprintf(node, sizeof node, "/dev/vfio/%s", strrchr(target, '/') + 1);
	int group = open(node, O_RDWR);
	if (group < 0)
		failed(node);
	return group;
}

/* Sends the descriptors on their way (unix(7), SCM_RIGHTS) and closes them. They end with the receiving socket. */
static int hide(const int *descriptors, size_t count)
{
	int ends[2];
	char byte = 0, control[CMSG_SPACE(8 * sizeof *descriptors)] = { 0 };
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control };

	message.msg_controllen = CMSG_SPACE(count * sizeof *descriptors);
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(count * sizeof *descriptors);
	memcpy(CMSG_DATA(header), descriptors, count * sizeof *descriptors);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) < 0)
		return failed("socketpair");
	if (sendmsg(ends[0], &message, 0) < 0)
		return failed("sendmsg");
	for (size_t index = 0; index < count; ++index)
		close(descriptors[index]);
	return 0;
}

/* Returns 0 when mapped or nothing to map, 1 when mmap failed; counts what was mapped. */
static int map_bar(int device, unsigned bar, int unmaps, unsigned *mapped)
{
	struct vfio_region_info region = { .argsz = sizeof region, .index = bar };

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region) < 0 || region.size == 0)
		return 0;
	if (!(region.flags & VFIO_REGION_INFO_FLAG_MMAP)) {
		printf("BAR %u: %llu bytes, not offered for mapping\n", bar, (unsigned long long)region.size);
		return 0;
	}

	volatile unsigned *first = mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, region.offset);
	if (first == MAP_FAILED) {
		printf("BAR %u: mmap: %s\n", bar, strerror(errno));
		return 1;
	}
	/* The mapping is filled on first use: only a read shows that the card answers. */
	unsigned word = *first;
	printf("BAR %u: mapped %llu bytes (first word %08x)\n", bar, (unsigned long long)region.size, word);
	if (unmaps)
		munmap((void *)first, region.size);
	++*mapped;
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	int hides = argc == 4 && strcmp(argv[2], "hide") == 0;
	if (argc != 2 && !hides && (argc != 4 || strcmp(argv[2], "hold") != 0)) {
		fprintf(stderr, "usage: %s DDDD:BB:DD.F [hold SECONDS | hide SECONDS]\n", argv[0]);
		return 2;
	}

	int group = open_group(argv[1]);
	if (group < 0)
		return 2;
	struct vfio_group_status status = { .argsz = sizeof status };
	if (ioctl(group, VFIO_GROUP_GET_STATUS, &status) < 0)
		return failed("VFIO_GROUP_GET_STATUS");
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		printf("VFIO_GROUP_GET_STATUS: the group is not viable\n");
		return 2;
	}

	int container = open("/dev/vfio/vfio", O_RDWR);
	if (container < 0)
		return failed("/dev/vfio/vfio");
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0)
		return failed("VFIO_GROUP_SET_CONTAINER");
	if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
		return failed("VFIO_SET_IOMMU");
	int device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, argv[1]);
	if (device < 0)
		return failed("VFIO_GROUP_GET_DEVICE_FD");

	int result = 0;
	unsigned mapped = 0;
	for (unsigned bar = 0; bar < 6; ++bar)
		result |= map_bar(device, bar, hides, &mapped);
	if (result == 0 && mapped == 0) {
		printf("no BAR of %s is offered for mapping\n", argv[1]);
		return 2;
	}
	if (hides && hide((int[]){ group, container, device }, 3) != 0)
		return 2;
	if (argc == 4) {
		printf("%s\n", hides ? "hiding" : "holding");
		sleep(atoi(argv[3]));
	}
	return result;
}
