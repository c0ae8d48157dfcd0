#pragma once

#include "ringmaster/http/testing.hpp"

#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "fuzz/seed.hpp"

namespace ringmaster::http {

/// A peer that reads and writes bytes.
class Peer {
  public:
    explicit Peer(TestServer& server) : server_(server), stream_(server.connect()) {}

    void send(std::string_view bytes) {
        fuzz::keep_seed("http", std::string(1, '\0').append(bytes));
        const auto sent = stream_->write(bytes, soon());
        if (!sent) throw std::runtime_error("send: " + sent.error().message);
    }
    std::string read_until(std::string_view end) {
        while (received_.find(end) == received_.npos && read_some()) {
        }
        return std::exchange(received_, {});
    }
    std::string read_to_end() {
        while (read_some()) {
        }
        return std::exchange(received_, {});
    }
    /// False at the end.
    bool read_some() {
        std::array<char, 4096> bytes;
        const auto got = stream_->read_some(bytes, soon());
        if (!got) throw std::runtime_error(received_ + ": " + got.error().message);
        received_.append(bytes.data(), *got);
        return *got > 0;
    }
    void leave() { stream_.reset(); }

  private:
    Deadline soon() const {
        return Deadline::at(server_.scheduler().now() + std::chrono::seconds(10));
    }
    TestServer& server_;
    std::unique_ptr<net::Stream> stream_;
    std::string received_;
};

}  // namespace ringmaster::http
