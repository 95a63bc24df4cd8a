/* Makes the calls that write to a database fail on demand: loaded in front of the C library with LD_PRELOAD.
 *
 * The file that CONNECTORY_FAULTS names holds one word for a kind of call and one for the error that it gives, such as
 * "write ENOSPC" or "sync EIO"; while it is empty, every call is done as always. It is read again on each call, by
 * system calls that are not intercepted here. Only files with ".db" in their path are affected.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int errno_of(const char *name)
{
    if (strcmp(name, "EIO") == 0) return EIO;
    if (strcmp(name, "ENOSPC") == 0) return ENOSPC;
    if (strcmp(name, "EDQUOT") == 0) return EDQUOT;
    if (strcmp(name, "EROFS") == 0) return EROFS;
    return EIO;
}

/* The error that a call of this kind gives on this descriptor, or 0. */
static int fault(const char *kind, int fd)
{
    const char *control = getenv("CONNECTORY_FAULTS");
    if (control == NULL) return 0;
    char text[64] = "", wanted[16] = "", name[16] = "";
    int file = (int)syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    long length = syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    if (length <= 0 || sscanf(text, "%15s %15s", wanted, name) != 2 || strcmp(wanted, kind) != 0) return 0;

    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long bytes = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (bytes <= 0) return 0;
    path[bytes] = 0;
    return strstr(path, ".db") != NULL ? errno_of(name) : 0;
}

/* Returns from the calling function with the error, if there is one. */
#define FAIL(kind, fd)                     \
    do {                                   \
        int before = errno;                \
        int error = fault(kind, fd);       \
        errno = error != 0 ? error : before; \
        if (error != 0) return -1;         \
    } while (0)

ssize_t write(int fd, const void *bytes, size_t length)
{
    FAIL("write", fd);
    return syscall(SYS_write, fd, bytes, length);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    FAIL("write", fd);
    return syscall(SYS_writev, fd, parts, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
    FAIL("write", fd);
    return syscall(SYS_pwrite64, fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return pwrite64(fd, bytes, length, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    FAIL("write", fd);
    return syscall(SYS_pwritev, fd, parts, count, (long)offset, 0L);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    return pwritev(fd, parts, count, offset);
}

int fsync(int fd)
{
    FAIL("sync", fd);
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    FAIL("sync", fd);
    return (int)syscall(SYS_fdatasync, fd);
}
