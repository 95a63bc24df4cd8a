/* Makes the calls that write to a database fail on demand, and records them: loaded in front of the C library with
 * LD_PRELOAD.
 *
 * The file that CONNECTORY_FAULTS names holds one word for a kind of call ("write", "sync" or "truncate") and one for the
 * error that it gives, such as "write ENOSPC" or "sync EIO"; while it is empty, every call is done as always. More words
 * may follow: "torn" writes the first half of the bytes before the error, "every=3" fails each third call, and "file=-wal"
 * only those on files with this end. The file is read again on each call, by system calls that are not intercepted here.
 * Each call that fails adds a line to a file of the same name with ".hits" at its end. Only files with ".db" in their path
 * are affected, or with another text that a word such as "in=/pg_wal/" names.
 *
 * The file that CONNECTORY_FAULTS_LOG names gets a record of each call that succeeded, in the order in which they were
 * made: a head (struct record), the path, and the bytes. A sync has two records: before the call and after it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_PARTS 64

/* The kinds of records. */
enum { WRITTEN = 1, TRUNCATED = 2, SYNC_BEGAN = 3, SYNCED = 4, REMOVED = 5 };

struct record {
    uint32_t kind;
    uint32_t path_length;
    uint64_t offset; /* of a truncation: the new length */
    uint64_t length;
};

/* Calls that change a file are recorded in the order in which they are made. */
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

static int errno_of(const char *name)
{
    if (strcmp(name, "EIO") == 0) return EIO;
    if (strcmp(name, "ENOSPC") == 0) return ENOSPC;
    if (strcmp(name, "EDQUOT") == 0) return EDQUOT;
    if (strcmp(name, "EROFS") == 0) return EROFS;
    return EIO;
}

static int ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), of_end = strlen(end);
    return length >= of_end && strcmp(text + length - of_end, end) == 0;
}

/* The path of a descriptor. Returns 0 if it has none. */
static int path_of(int fd, char path[4096])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long bytes = syscall(SYS_readlinkat, AT_FDCWD, link, path, 4095L);
    path[bytes > 0 ? bytes : 0] = 0;
    return bytes > 0;
}

/* Notes that a call fails. */
static void hit(const char *control, const char *kind, const char *name, int is_torn)
{
    char path[4200], line[64];
    snprintf(path, sizeof path, "%s.hits", control);
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return;
    int length = snprintf(line, sizeof line, "%s %s%s\n", kind, name, is_torn ? " torn" : "");
    syscall(SYS_write, file, line, (long)length);
    syscall(SYS_close, file);
}

/* The error that a call of this kind gives on this descriptor, or 0. */
static int fault(const char *kind, int fd, int *is_torn)
{
    static atomic_uint calls;
    const char *control = getenv("CONNECTORY_FAULTS");
    if (control == NULL) return 0;
    char text[128] = "", path[4096];
    int file = (int)syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    long length = syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    if (length <= 0) return 0;

    char *rest = NULL;
    const char *wanted = strtok_r(text, " \n", &rest), *name = strtok_r(NULL, " \n", &rest);
    if (wanted == NULL || name == NULL || strcmp(wanted, kind) != 0) return 0;
    if (!path_of(fd, path)) return 0;
    const char *in = ".db";
    unsigned every = 1;
    *is_torn = 0;
    for (const char *word; (word = strtok_r(NULL, " \n", &rest)) != NULL;) {
        if (strcmp(word, "torn") == 0) *is_torn = 1;
        if (strncmp(word, "every=", 6) == 0) every = (unsigned)atoi(word + 6);
        if (strncmp(word, "file=", 5) == 0 && !ends_with(path, word + 5)) return 0;
        if (strncmp(word, "in=", 3) == 0) in = word + 3;
    }
    if (strstr(path, in) == NULL) return 0;
    if (every > 1 && atomic_fetch_add(&calls, 1) % every != 0) return 0;
    hit(control, kind, name, *is_torn);
    return errno_of(name);
}

/* Records a call on a file of a database, or on a folder. */
static void record_path(uint32_t kind, const char *path, uint64_t offset, const struct iovec *parts, int count, size_t length)
{
    static atomic_int log = -1;
    const char *name = getenv("CONNECTORY_FAULTS_LOG");
    /* The index of the log is in memory that the processes share. It is made anew after a crash. */
    if (name == NULL || ends_with(path, "-shm")) return;
    if (log < 0) log = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    struct record head = {kind, (uint32_t)strlen(path), offset, length};
    struct iovec all[MOST_PARTS + 2] = {{&head, sizeof head}, {(void *)path, head.path_length}};
    int used = 2;
    for (int at = 0; at < count && length > 0; at++) {
        size_t bytes = parts[at].iov_len < length ? parts[at].iov_len : length;
        all[used++] = (struct iovec){parts[at].iov_base, bytes};
        length -= bytes;
    }
    if (syscall(SYS_writev, log, all, used) < 0) abort();
}

static int is_recorded(int fd, char path[4096])
{
    if (getenv("CONNECTORY_FAULTS_LOG") == NULL || !path_of(fd, path)) return 0;
    struct stat file;
    return strstr(path, ".db") != NULL || (fstat(fd, &file) == 0 && S_ISDIR(file.st_mode));
}

/* Writes at an offset, or at the place of the descriptor if the offset is -1. */
static ssize_t write_parts(int fd, const struct iovec *parts, int count, off64_t offset)
{
    int before = errno, is_torn = 0, error = fault("write", fd, &is_torn);
    char path[4096];
    if (error != 0 && is_torn) {
        /* The first half, up to the end of a sector. */
        size_t half = parts[0].iov_len / 2 / 512 * 512;
        if (offset >= 0) syscall(SYS_pwrite64, fd, parts[0].iov_base, half, offset);
        else syscall(SYS_write, fd, parts[0].iov_base, half);
    }
    errno = error != 0 ? error : before;
    if (error != 0) return -1;
    if (count > MOST_PARTS) count = MOST_PARTS;
    if (!is_recorded(fd, path)) {
        return offset >= 0 ? syscall(SYS_pwritev, fd, parts, count, (long)offset, 0L) : syscall(SYS_writev, fd, parts, count);
    }
    pthread_mutex_lock(&order);
    off64_t at = offset;
    if (at < 0) at = lseek64(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
    ssize_t written = offset >= 0 ? syscall(SYS_pwritev, fd, parts, count, (long)offset, 0L) : syscall(SYS_writev, fd, parts, count);
    int after = errno;
    if (written > 0) record_path(WRITTEN, path, (uint64_t)at, parts, count, (size_t)written);
    pthread_mutex_unlock(&order);
    errno = after;
    return written;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    struct iovec part = {(void *)bytes, length};
    return write_parts(fd, &part, 1, -1);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return write_parts(fd, parts, count, -1);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
    struct iovec part = {(void *)bytes, length};
    return write_parts(fd, &part, 1, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return pwrite64(fd, bytes, length, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return write_parts(fd, parts, count, offset);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    return write_parts(fd, parts, count, offset);
}

int ftruncate64(int fd, off64_t length)
{
    int before = errno, is_torn = 0, error = fault("truncate", fd, &is_torn);
    char path[4096];
    errno = error != 0 ? error : before;
    if (error != 0) return -1;
    if (!is_recorded(fd, path)) return (int)syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&order);
    int result = (int)syscall(SYS_ftruncate, fd, length), after = errno;
    if (result == 0) record_path(TRUNCATED, path, (uint64_t)length, NULL, 0, 0);
    pthread_mutex_unlock(&order);
    errno = after;
    return result;
}

int ftruncate(int fd, off_t length)
{
    return ftruncate64(fd, length);
}

static int sync_by(long call, int fd)
{
    int before = errno, is_torn = 0, error = fault("sync", fd, &is_torn);
    char path[4096];
    errno = error != 0 ? error : before;
    if (error != 0) return -1;
    if (!is_recorded(fd, path)) return (int)syscall(call, fd);
    pthread_mutex_lock(&order);
    record_path(SYNC_BEGAN, path, 0, NULL, 0, 0);
    pthread_mutex_unlock(&order);
    int result = (int)syscall(call, fd), after = errno;
    if (result == 0) {
        pthread_mutex_lock(&order);
        record_path(SYNCED, path, 0, NULL, 0, 0);
        pthread_mutex_unlock(&order);
    }
    errno = after;
    return result;
}

int fsync(int fd)
{
    return sync_by(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_by(SYS_fdatasync, fd);
}

int unlink(const char *path)
{
    char absolute[4096];
    if (getenv("CONNECTORY_FAULTS_LOG") == NULL || strstr(path, ".db") == NULL || realpath(path, absolute) == NULL) {
        return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    }
    pthread_mutex_lock(&order);
    int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0), after = errno;
    if (result == 0) record_path(REMOVED, absolute, 0, NULL, 0, 0);
    pthread_mutex_unlock(&order);
    errno = after;
    return result;
}
