#pragma once

#include "ringmaster/net/stream.hpp"
#include "ringmaster/redis/connector.hpp"
#include "ringmaster/redis/reply_reader.hpp"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/fixture.hpp"

namespace ringmaster::redis {

/// Passes all on, and keeps what was written, write by write.
class RecordingStream final : public net::Stream {
  public:
    RecordingStream(std::unique_ptr<net::Stream> stream, std::vector<std::string>& writes)
        : stream_(std::move(stream)), writes_(writes) {}
    Result<std::size_t> read_some(std::span<char> buffer, Deadline deadline) override {
        return stream_->read_some(buffer, deadline);
    }
    Result<void> write(std::string_view bytes, Deadline deadline) override {
        writes_.emplace_back(bytes);
        return stream_->write(bytes, deadline);
    }
    bool usable() const noexcept override { return stream_->usable(); }

  private:
    std::unique_ptr<net::Stream> stream_;
    std::vector<std::string>& writes_;
};

/// Speaks Redis over streams in memory, and says what the test wants it to say.
class ScriptedServer {
  public:
    struct Peer {
        std::unique_ptr<net::Stream> stream;  ///< null once the server has hung up
        std::vector<std::string> received;    ///< commands, with a blank between words
        runtime::Task task;
    };

    explicit ScriptedServer(runtime::ManualScheduler& manual) : manual_(manual) {}

    /// What is answered to a command: bytes, which may be none.
    std::function<std::string(const std::string& command)> answer = [](const std::string&) {
        return "+OK\r\n";
    };
    /// Where it is set, nobody is let in, and this is why.
    std::optional<Error> refusal;
    std::chrono::milliseconds connect_time{0};
    std::size_t capacity = 1 << 20;  ///< of each direction of a connection
    bool reads = true;
    std::size_t attempts = 0;
    std::vector<std::shared_ptr<Peer>> peers;  ///< of each connection, in order
    std::vector<std::string> writes;           ///< of clients, of all connections

    Connect connect() {
        return [this](const ServerAddress&, Deadline deadline) { return accept(deadline); };
    }
    Result<std::unique_ptr<net::Stream>> accept(Deadline deadline) {
        ++attempts;
        if (connect_time.count() > 0) {
            const auto ready = manual_.scheduler.now() + connect_time;
            manual_.scheduler.sleep_until(std::min(ready, deadline.time()));
            if (deadline.time() < ready) return Error{ErrorCode::timeout, "too slow"};
        }
        if (refusal) return *refusal;
        auto [mine, theirs] = net::memory_streams(manual_.scheduler, capacity);
        auto peer = std::make_shared<Peer>();
        peer->stream = std::move(mine);
        peers.push_back(peer);
        peer->task = manual_.scheduler.spawn("server", [this, peer] { serve(*peer); });
        return std::unique_ptr<net::Stream>(
            std::make_unique<RecordingStream>(std::move(theirs), writes));
    }

    /// To the client of that connection, in pieces of `step` bytes, each in a turn of its own.
    void say(std::size_t peer, std::string_view bytes, std::size_t step = std::string::npos) {
        while (!bytes.empty()) {
            const std::string_view part = bytes.substr(0, step);
            bytes.remove_prefix(part.size());
            manual_.spawn([this, peer, part] {
                (void)peers.at(peer)->stream->write(part, Deadline::never());
            });
            manual_.settle();
        }
    }
    void hang_up(std::size_t peer) {
        peers.at(peer)->task.cancel("it hangs up");
        manual_.settle();
        peers.at(peer)->stream.reset();
        manual_.settle();
    }

  private:
    void serve(Peer& peer) {
        ReplyReader reader;  // a command is an array of strings
        std::array<char, 4096> buffer;
        while (reads) {
            const auto got = peer.stream->read_some(buffer, Deadline::never());
            if (!got || *got == 0) return;
            reader.feed({buffer.data(), *got});
            std::string answers;
            for (auto next = reader.next(); next && next.value(); next = reader.next()) {
                std::string command;
                for (const Reply& word : next.value()->elements) {
                    command += (command.empty() ? "" : " ") + word.text;
                }
                answers += answer(command);
                if (!command.starts_with("CLIENT SETNAME")) peer.received.push_back(command);
            }
            (void)peer.stream->write(answers, Deadline::never());
        }
    }

    runtime::ManualScheduler& manual_;
};

}  // namespace ringmaster::redis
