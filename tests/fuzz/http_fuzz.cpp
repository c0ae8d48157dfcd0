// What clients send over one connection.
//
// However bytes are split into reads, the parser gives the same requests and the same error, and
// the server the same answers, to the requests that the parser saw; whatever the client does, the
// connection ends, and no fiber is left. Requests for /up... are streamed, and so are the answers
// to those for /s...; of the latter, where parts end may depend on the reads.
//
// The first byte's lower seven bits are the number of cuts n; its highest bit says that the client
// closes the connection as soon as it has sent all. The next n bytes are the sizes of the first n
// reads (0 stands for 1); what follows is the connection's bytes, of which the last read takes the
// rest.

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/text.hpp"
#include "ringmaster/http/query.hpp"
#include "ringmaster/http/server.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "fuzz_target.hpp"
#include "http/request_parser_corpus.hpp"

namespace {

using namespace ringmaster;
using namespace ringmaster::fuzz;

// Small, so that the fuzzer finds its way to them.
constexpr http::RequestLimits kLimits = {.target_bytes = 64,
                                         .head_bytes = 512,
                                         .header_count = 8,
                                         .body_bytes = 128,
                                         .streamed_body_bytes = 128};

using Cuts = std::vector<std::size_t>;

/// The real server on the real reactor, but time stands still unless it is moved.
class Service {
  public:
    /// All that the server sends to a client that sends `bytes`, but for "100 Continue": whether
    /// that is sent depends on the reads.
    std::string talk(std::string_view bytes, const Cuts& cuts, bool hang_up) {
        asked_.clear();
        streamed_ = false;
        int ends[2];
        expect(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0,
               "there is a connection");
        const auto [client, served] = ends;
        // The least that Linux gives: so the server has to wait for the client.
        const int buffer_bytes = 1;
        ::setsockopt(served, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
        server_.serve(AF_UNIX, served);
        send(client, bytes, cuts);
        std::string answers;
        if (!hang_up) {
            ::shutdown(client, SHUT_WR);
            answers = read_to_end(client);
        }
        ::close(client);
        for (int i = 0; i < kMostWaits && reactor_.scheduler().fibers_in_use() > 0; ++i) wait();
        wait();
        expect(server_.stats().connections == 0, "the connection ends");
        expect(reactor_.scheduler().fibers_in_use() == 0, "no fiber is left");
        return answers;
    }
    /// The requests that the last client's handlers were given, but for one whose content did not
    /// come to its end.
    std::vector<std::string> asked() const {
        std::vector<std::string> whole;
        for (const std::string& request : asked_) {
            expect(!request.empty() || &request == &asked_.back(),
                   "a request is served when the one before it is whole");
            if (!request.empty()) whole.push_back(request);
        }
        return whole;
    }
    /// Whether some of them had a streamed answer.
    bool streamed() const noexcept { return streamed_; }

  private:
    static constexpr int kMostWaits = 100'000;
    static constexpr http::ServerLimits kServerLimits = {.request = kLimits,
                                                         .pipeline_depth = 4,
                                                         .max_requests_per_turn = 2,
                                                         .output_high_water_bytes = 1024,
                                                         .input_high_water_bytes = 16};

    void answer(http::Request& request, http::Response& response) {
        const std::size_t place = asked_.size();
        asked_.emplace_back();
        std::string content;
        while (request.streams_body()) {
            const std::string_view part = request.read_body();
            content += part;
            if (part.empty()) break;
        }
        const std::string asked = http::testing::describe(request) + content;
        asked_[place] = asked;
        // So that later requests are done sooner than earlier ones.
        const auto pause = std::chrono::milliseconds(request.target().size() % 3);
        auto& scheduler = reactor_.scheduler();
        if (pause.count() > 0) scheduler.sleep_until(scheduler.now() + pause);
        response.close = request.path() == "/close";
        if (!request.path().starts_with("/s")) {
            ringmaster::append_json_string(response.body, asked);
            return;
        }
        streamed_ = true;
        for (std::size_t i = 0; i < asked.size(); i += 100) {
            response.write(std::string_view(asked).substr(i, 100));
            scheduler.yield();
        }
    }

    /// Until all is done that can be done now.
    void turn() {
        reactor_.context().restart();
        reactor_.context().poll();
    }
    void wait() {
        const WallTime date = clock_.wall_now();
        clock_.advance(std::chrono::milliseconds(1));
        clock_.set_wall(date);  // for answers have it
        reactor_.enter([] {});
        turn();
    }

    void send(int client, std::string_view bytes, const Cuts& cuts) {
        std::size_t begin = 0;
        for (std::size_t i = 0; i <= cuts.size(); ++i) {
            const std::size_t end = i < cuts.size() ? cuts[i] : bytes.size();
            const auto piece = bytes.substr(begin, end - begin);
            begin = end;
            if (!piece.empty() && ::send(client, piece.data(), piece.size(), MSG_NOSIGNAL) < 0) {
                expect(errno == EPIPE, "the server takes what is sent, or has closed");
            }
            turn();
        }
    }
    std::string read_to_end(int client) {
        std::string answers;
        char buffer[16 * 1024];
        for (int i = 0; i < kMostWaits; ++i) {
            const ssize_t got = ::recv(client, buffer, sizeof buffer, 0);
            if (got == 0) {
                remove_all(answers, "HTTP/1.1 100 Continue\r\n\r\n");
                return answers;
            }
            if (got > 0) answers.append(buffer, static_cast<std::size_t>(got));
            expect(got > 0 || errno == EAGAIN, "the server does not reset the connection");
            wait();
        }
        expect(false, "the server answers in time");
        return answers;
    }
    static void remove_all(std::string& text, std::string_view part) {
        for (auto at = text.find(part); at != text.npos; at = text.find(part, at)) {
            text.erase(at, part.size());
        }
    }

    FakeClock clock_;
    NullLog log_;
    ErrorReporter errors_{log_};
    runtime::Reactor reactor_{clock_, errors_, {.max_fibers = 16}};
    http::Server server_{
        reactor_,
        [this](http::Request& request, http::Response& response) { answer(request, response); },
        kServerLimits,
        errors_,
        log_,
        [](const http::Request& head) { return head.path().starts_with("/up"); }};
    std::vector<std::string> asked_;  ///< empty: its content is still coming
    bool streamed_ = false;
};

std::string lines(const std::vector<std::string>& events) {
    std::string text;
    for (const std::string& event : events) text.append(event).append("\n");
    return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view input = as_text(data, size);
    if (input.empty()) return 0;
    const auto first = static_cast<unsigned char>(input.front());
    const bool hang_up = (first & 0x80) != 0;
    const std::size_t cut_count = first & 0x7f;
    input.remove_prefix(1);
    if (input.size() < cut_count) return 0;
    const std::string_view sizes = input.substr(0, cut_count);
    const std::string_view bytes = input.substr(cut_count);

    Cuts cuts;
    std::size_t at = 0;
    for (const char c : sizes) {
        at += c == 0 ? 1 : static_cast<unsigned char>(c);
        if (at >= bytes.size()) break;
        cuts.push_back(at);
    }
    Cuts each;
    for (std::size_t i = 1; i < bytes.size(); ++i) each.push_back(i);

    auto parsed = http::testing::read_all(bytes, {}, kLimits);
    expect_same(lines(parsed), lines(http::testing::read_all(bytes, cuts, kLimits)),
                "the parser does not depend on the reads");
    expect_same(lines(parsed), lines(http::testing::read_all(bytes, each, kLimits)),
                "the parser does not depend on the reads, were it byte by byte");

    static Service service;
    const std::string answers = service.talk(bytes, cuts, hang_up);
    std::erase(parsed, "continue");
    const auto asked = service.asked();
    expect(asked.size() <= parsed.size() && std::equal(asked.begin(), asked.end(), parsed.begin()),
           "the server serves the requests that the parser sees");
    if (!hang_up && !service.streamed()) {
        expect_same(answers, service.talk(bytes, {}, false),
                    "the answers do not depend on the reads");
    }
    return 0;
}
