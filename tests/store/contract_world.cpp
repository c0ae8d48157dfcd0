#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

#include "store/support.hpp"
#include "store_contract/world.hpp"
#include <boost/asio/steady_timer.hpp>

namespace ringmaster::store_contract {
namespace {

using namespace std::chrono_literals;

/// Small segments and many snapshots, so that a walk goes through some of both.
class EmbeddedWorld final : public StoreWorld {
  public:
    EmbeddedWorld() {
        clock_.stop();
        options_.segment_bytes = 256 << 10;
        options_.snapshot_after_bytes = 50'000;
        open();
    }
    ~EmbeddedWorld() override { end(); }

    Process process(std::size_t) override {
        return {&**store_, &(*store_)->pools(), &(*store_)->history(), &store_->catalog()};
    }
    runtime::Reactor& reactor() override { return store_->reactor(); }
    WallTime now() override { return clock_.wall_now(); }
    void leap(std::chrono::milliseconds by) override {
        clock_.leap(by);
        boot_.since_boot += by;
    }
    void restart() override {
        end();
        open();
    }
    void crash() override {
        disk_.freeze();
        end();
        disk_.freeze_after(1 << 30);
        open();
    }
    unsigned long walk_steps() const override { return 3000; }

  private:
    void open() {
        store_ = std::make_unique<store::testing::TestStore>(
            directory_.path(), std::vector<store::testing::TestPool>(), options_, &disk_, &clock_,
            boot_);
        if (store_->error()) throw std::runtime_error(store_->error()->message);
    }

    void end() {
        if (!store_) return;  // it did not open
        close();
        store_.reset();
    }

    /// What the store does at its end waits for a child process, a millisecond again and again.
    void close() {
        boost::asio::steady_timer timer(store_->reactor().context());
        const std::function<void()> tick = [&] {
            timer.expires_after(1ms);
            timer.async_wait([&](const boost::system::error_code& error) {
                if (error) return;
                leap(1ms);
                store_->reactor().post([] {});  // so that it looks at the time
                tick();
            });
        };
        tick();
        store_->close();
        timer.cancel();
    }

    store::testing::TempDirectory directory_;
    store::testing::TestDisk disk_;
    store::testing::LeapingClock clock_;
    store::BootTime boot_{1h, {1}};
    store::EmbeddedStoreOptions options_;
    std::unique_ptr<store::testing::TestStore> store_;
};

}  // namespace

std::vector<WorldKind> worlds() {
    return {{"embedded", [] { return std::make_unique<EmbeddedWorld>(); }}};
}

}  // namespace ringmaster::store_contract
