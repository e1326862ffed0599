/*
 * vfio-client: a witness that shares no code with apertured.
 *
 * Usage: vfio-client [--node] 0000:01:00.0 [hold SECONDS | hide SECONDS]
 *
 * Opens the device through its VFIO group and a type 1 container, or with --node through its own node and an IOAS of an
 * iommufd, then maps every memory BAR that VFIO offers for mapping and reads its first word. It changes nothing. With `hold` it then keeps everything open, as a guest would. With
 * `hide` it does so where nobody can see it: in messages to itself that it does not read, so that the descriptors are in
 * no process's table.
 *
 * Exit status: 0 every such BAR was mapped; 1 at least one mmap failed (the line says why);
 * 2 VFIO could not be set up (the line names the call).
 *
 * mmap is the moment of truth: vfio-pci reserves a BAR with pci_request_selected_regions() only then (from 7.2 on at
 * open, where a failure is silent), so a successful bind says nothing about a claim that is still inside the BAR.
 */
#include <dirent.h>
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

/* Opens the device through its group; the descriptors of all three. */
static int open_through_group(const char *address, int *descriptors)
{
	int group = open_group(address);
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
	int device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (device < 0)
		return failed("VFIO_GROUP_GET_DEVICE_FD");
	descriptors[0] = device;
	descriptors[1] = group;
	descriptors[2] = container;
	return 0;
}

/* Of linux 6.6, where these headers may be older: <linux/vfio.h>, <linux/iommufd.h>. */
struct bind_iommufd {
	unsigned argsz, flags;
	int iommufd;
	unsigned out_devid;
};
struct attach_iommufd_pt {
	unsigned argsz, flags, pt_id;
};
struct ioas_alloc {
	unsigned size, flags, out_ioas_id;
};
#define DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
#define DEVICE_ATTACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 19)
#define IOAS_ALLOC _IO(';', 0x81)

/* Opens the device through its own node; the descriptors of both. */
static int open_through_node(const char *address, int *descriptors)
{
	char folder[256], node[sizeof folder + 32] = "";

	snprintf(folder, sizeof folder, "/sys/bus/pci/devices/%s/vfio-dev", address);
	DIR *entries = opendir(folder);
	if (!entries)
		return failed(folder);
	for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
		if (entry->d_name[0] != '.')
			snprintf(node, sizeof node, "/dev/vfio/devices/%.30s", entry->d_name);
	closedir(entries);

	int iommufd = open("/dev/iommu", O_RDWR);
	if (iommufd < 0)
		return failed("/dev/iommu");
	int device = open(node, O_RDWR);
	if (device < 0)
		return failed(node);
	struct bind_iommufd bind = { .argsz = sizeof bind, .iommufd = iommufd };
	if (ioctl(device, DEVICE_BIND_IOMMUFD, &bind) < 0)
		return failed("VFIO_DEVICE_BIND_IOMMUFD");
	struct ioas_alloc ioas = { .size = sizeof ioas };
	if (ioctl(iommufd, IOAS_ALLOC, &ioas) < 0)
		return failed("IOMMU_IOAS_ALLOC");
	struct attach_iommufd_pt attach = { .argsz = sizeof attach, .pt_id = ioas.out_ioas_id };
	if (ioctl(device, DEVICE_ATTACH_IOMMUFD_PT, &attach) < 0)
		return failed("VFIO_DEVICE_ATTACH_IOMMUFD_PT");
	descriptors[0] = device;
	descriptors[1] = iommufd;
	return 0;
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
	const char *program = argv[0];
	int through_node = argc > 1 && strcmp(argv[1], "--node") == 0;
	argc -= through_node;
	argv += through_node;
	int hides = argc == 4 && strcmp(argv[2], "hide") == 0;
	if (argc != 2 && !hides && (argc != 4 || strcmp(argv[2], "hold") != 0)) {
		fprintf(stderr, "usage: %s [--node] DDDD:BB:DD.F [hold SECONDS | hide SECONDS]\n", program);
		return 2;
	}

	/* The device's first. */
	int descriptors[3];
	size_t count = through_node ? 2 : 3;
	int result = through_node ? open_through_node(argv[1], descriptors) : open_through_group(argv[1], descriptors);
	if (result != 0)
		return result;

	unsigned mapped = 0;
	for (unsigned bar = 0; bar < 6; ++bar)
		result |= map_bar(descriptors[0], bar, hides, &mapped);
	if (result == 0 && mapped == 0) {
		printf("no BAR of %s is offered for mapping\n", argv[1]);
		return 2;
	}
	if (hides && hide(descriptors, count) != 0)
		return 2;
	if (argc == 4) {
		printf("%s\n", hides ? "hiding" : "holding");
		sleep(atoi(argv[3]));
	}
	return result;
}
