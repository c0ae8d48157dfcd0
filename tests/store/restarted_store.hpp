#pragma once

#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {

/// One directory through several lives of its store, with small segments and frequent snapshots.
class RestartedStoreTest : public ::testing::Test {
  protected:
    RestartedStoreTest() {
        options_.segment_bytes = 4096;
        options_.snapshot_after_bytes = 10'000;
    }
    testing::TestStore& open(std::vector<testing::TestPool> pools) {
        using namespace std::chrono_literals;
        store_.reset();
        disk_.freeze_after(1 << 30);
        store_ = std::make_unique<testing::TestStore>(directory_.path(), std::move(pools), options_,
                                                      &disk_, &clock_, BootTime{1h, {1}});
        if (store_->error()) throw std::runtime_error(store_->error()->message);
        return *store_;
    }
    /// As kill -9.
    void kill() {
        disk_.freeze();
        store_.reset();
    }

    testing::TempDirectory directory_;
    testing::TestDisk disk_;
    testing::LeapingClock clock_;
    EmbeddedStoreOptions options_;
    std::unique_ptr<testing::TestStore> store_;
};

}  // namespace ringmaster::store
