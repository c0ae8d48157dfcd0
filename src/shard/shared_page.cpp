#include "ringmaster/shard/shared_page.hpp"

#include <cassert>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace ringmaster::shard {
namespace {

/// Goes on with each change of Contents.
constexpr std::uint64_t kLayout = 0x524d5348'00000002u;

static_assert(std::atomic<std::int64_t>::is_always_lock_free);
static_assert(std::atomic<ShardPhase>::is_always_lock_free);

Error failed(const char* what) {
    return {ErrorCode::unavailable,
            std::string("the shards' common memory: ") + what + ": " + std::strerror(errno)};
}

SharedPage::Contents* map(int fd) noexcept {
    void* const at =
        ::mmap(nullptr, sizeof(SharedPage::Contents), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? nullptr : static_cast<SharedPage::Contents*>(at);
}

}  // namespace

Result<SharedPage> SharedPage::create(std::size_t shard_count) {
    assert(shard_count >= 1 && shard_count <= Placement::kMaxShards);
    const int fd = ::memfd_create("ringmaster-shards", MFD_CLOEXEC);
    if (fd < 0) return failed("memfd_create");
    if (::ftruncate(fd, sizeof(Contents)) != 0) {
        Error error = failed("ftruncate");
        ::close(fd);
        return error;
    }
    Contents* const contents = map(fd);
    if (contents == nullptr) {
        Error error = failed("mmap");
        ::close(fd);
        return error;
    }
    new (contents) Contents{};
    contents->layout = kLayout;
    contents->shard_count = shard_count;
    return SharedPage(fd, contents);
}

Result<SharedPage> SharedPage::attach(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return failed("fstat");
    if (status.st_size != sizeof(Contents)) {
        return Error{ErrorCode::invalid, "the shards' common memory is another program's"};
    }
    Contents* const contents = map(fd);
    if (contents == nullptr) return failed("mmap");
    if (contents->layout != kLayout) {
        ::munmap(contents, sizeof(Contents));
        return Error{ErrorCode::invalid, "the shards' common memory is another program's"};
    }
    return SharedPage(fd, contents);
}

SharedPage::SharedPage(SharedPage&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), contents_(std::exchange(other.contents_, nullptr)) {}

SharedPage::~SharedPage() {
    if (contents_ != nullptr) ::munmap(contents_, sizeof(Contents));
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace ringmaster::shard
