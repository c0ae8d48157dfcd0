// Preloaded into the daemon by disk_test.py: makes its disk fail, or be slow, when it is told to.
// What it is told stands in a file that both have mapped, as 32-bit integers; all zero: all is well.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct faults {
    _Atomic int32_t write_errno;     // what pwrite and fallocate fail with
    _Atomic int32_t write_at_most;   // bytes that one pwrite takes; 0: all
    _Atomic int32_t write_delay_ms;  // before each pwrite
    _Atomic int32_t sync_errno;      // what fdatasync fails with
    _Atomic int32_t sync_delay_ms;   // before each fdatasync, for as long as it stands here
    _Atomic int32_t writes;          // counted by this
    _Atomic int32_t syncs;
    _Atomic int32_t syncs_under_way;
};
static struct faults* faults;

__attribute__((constructor)) static void map_faults(void) {
    const char* const path = getenv("RINGMASTER_FAULTS");
    const int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) abort();
    faults = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (faults == MAP_FAILED) abort();
}

static void sleep_ms(int32_t ms) {
    const struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};
    if (ms > 0) nanosleep(&time, NULL);
}

ssize_t pwrite(int file, const void* bytes, size_t count, off_t offset) {
    ssize_t (*const real)(int, const void*, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite");
    ++faults->writes;
    sleep_ms(faults->write_delay_ms);
    const int32_t at_most = faults->write_at_most;
    if (at_most != 0 && count > (size_t)at_most) return real(file, bytes, (size_t)at_most, offset);
    if (faults->write_errno == 0) return real(file, bytes, count, offset);
    errno = faults->write_errno;
    return -1;
}

int fallocate(int file, int mode, off_t offset, off_t bytes) {
    int (*const real)(int, int, off_t, off_t) = dlsym(RTLD_NEXT, "fallocate");
    if (faults->write_errno == 0) return real(file, mode, offset, bytes);
    errno = faults->write_errno;
    return -1;
}

int fdatasync(int file) {
    int (*const real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    ++faults->syncs;
    ++faults->syncs_under_way;
    for (int32_t slept = 0; slept < faults->sync_delay_ms; slept += 10) sleep_ms(10);
    const int error = faults->sync_errno;
    const int result = real(file);
    --faults->syncs_under_way;
    if (error == 0) return result;
    errno = error;
    return -1;
}

// What programs call that are built for large files.
ssize_t pwrite64(int file, const void* bytes, size_t count, off_t offset) {
    return pwrite(file, bytes, count, offset);
}
int fallocate64(int file, int mode, off_t offset, off_t bytes) {
    return fallocate(file, mode, offset, bytes);
}
