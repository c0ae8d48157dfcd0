#pragma once

#include "ringmaster/http/handler.hpp"
#include "ringmaster/http/testing.hpp"

#include <chrono>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "http/fixture.hpp"
#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {

/// One request, in a fiber of its own, to a handler with a layer around it; time is the test's.
class SuspendingLayerTest : public testing::Test {
  protected:
    explicit SuspendingLayerTest(std::string_view target) : request_(make_request("GET", target)) {
        response_.attach(client_);
    }

    void begin_behind(Middleware layer, RequestHandler handler) {
        response_.add_header("Outer", "1");
        handler_ = layered({std::move(layer)}, std::move(handler));
        manual_.spawn([this] {
            task_ = manual_.scheduler.current_task();
            try {
                handler_(request_, response_);
                ended_ = "answered";
            } catch (const runtime::Cancelled& cancelled) {
                ended_ = "cancelled: " + cancelled.reason;
            } catch (const std::exception& error) {
                ended_ = error.what();
            }
        });
        manual_.settle();
    }
    void sleep(std::chrono::milliseconds time) {
        manual_.scheduler.sleep_until(manual_.scheduler.now() + time);
    }
    /// What it has thrown, or "answered"; "" as long as it is at work.
    const std::string& ended() const { return ended_; }

    runtime::ManualScheduler manual_;
    Request request_;
    Response response_;
    PartsWriter client_;
    runtime::Task task_;

  private:
    RequestHandler handler_;
    std::string ended_;
};

}  // namespace ringmaster::http
