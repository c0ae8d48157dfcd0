#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <random>
#include <span>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "store/support.hpp"

namespace ringmaster::store::testing {

/// Remembers what the disk holds that the kernel has not been asked to sync, and at a power cut
/// leaves of that what chance decides, by sectors. As with Linux, what a failed sync was about
/// stays readable, but a later sync that succeeds does not put it on the disk.
class PowerCutDisk : public TestDisk {
  public:
    std::error_code write_at(int file, std::span<const std::byte> bytes,
                             std::uint64_t offset) noexcept override {
        // A child's snapshot counts only once it has synced all of it; and it must not lock.
        if (frozen() || ::getpid() != owner_) return TestDisk::write_at(file, bytes, offset);
        const std::lock_guard lock(mutex_);
        const ino_t inode = inode_of(file);
        Unsynced* unsynced = find(inode);
        if (unsynced == nullptr) {
            unsynced = &files_.emplace_back(Unsynced{inode, UniqueFd(::dup(file)), {}});
        }
        for (std::uint64_t at = offset / kSector; at * kSector < offset + bytes.size(); ++at) {
            const auto [sector, is_new] = unsynced->sectors.try_emplace(at);
            sector->second.dropped = false;
            if (!is_new) continue;
            (void)::pread(file, sector->second.before.data(), kSector,
                          static_cast<off_t>(at * kSector));
        }
        return TestDisk::write_at(file, bytes, offset);
    }
    std::error_code sync(int file) noexcept override {
        if (::getpid() != owner_) return TestDisk::sync(file);
        const ino_t inode = inode_of(file);
        std::vector<std::uint64_t> dirty;
        {
            const std::lock_guard lock(mutex_);
            if (const Unsynced* const unsynced = find(inode)) {
                for (const auto& [at, sector] : unsynced->sectors) {
                    if (!sector.dropped) dirty.push_back(at);
                }
            }
        }
        // What is written from here on may or may not be part of it.
        const auto error = TestDisk::sync(file);
        const std::lock_guard lock(mutex_);
        Unsynced* const unsynced = find(inode);
        if (unsynced == nullptr) return error;
        for (const std::uint64_t at : dirty) {
            if (error) {
                unsynced->sectors.at(at).dropped = true;
            } else {
                unsynced->sectors.erase(at);
            }
        }
        std::erase_if(files_, [](const Unsynced& one) { return one.sectors.empty(); });
        return error;
    }
    /// To be called when nothing writes any more.
    void cut_power(std::mt19937& random) {
        for (const Unsynced& unsynced : files_) {
            for (const auto& [at, sector] : unsynced.sectors) {
                if (random() % 2 == 0) continue;
                (void)::pwrite(unsynced.file.get(), sector.before.data(), kSector,
                               static_cast<off_t>(at * kSector));
            }
        }
        files_.clear();
    }

  private:
    static constexpr std::uint64_t kSector = 512;
    struct Sector {
        std::array<std::byte, kSector> before{};  ///< as it is on the disk
        bool dropped = false;                     ///< no sync will write it any more
    };
    struct Unsynced {
        ino_t inode;
        UniqueFd file;
        std::map<std::uint64_t, Sector> sectors;
    };
    static ino_t inode_of(int file) noexcept {
        struct stat status {};
        ::fstat(file, &status);
        return status.st_ino;
    }
    Unsynced* find(ino_t inode) noexcept {
        for (Unsynced& one : files_) {
            if (one.inode == inode) return &one;
        }
        return nullptr;
    }

    const pid_t owner_ = ::getpid();
    std::mutex mutex_;
    std::vector<Unsynced> files_;  ///< in the order in which they were written to
};

}  // namespace ringmaster::store::testing
