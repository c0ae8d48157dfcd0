/// The daemon with shards that only say that they are there: for supervisor_test.cpp, which runs it
/// as a program of its own, because it forks, replaces itself and is killed. What happens to a
/// shard goes line by line into the pipe <directory of the configuration>/reports; files beside it
/// say what shall go wrong.

#include "ringmaster/app/config_check.hpp"
#include "ringmaster/app/estate.hpp"
#include "ringmaster/app/handover.hpp"
#include "ringmaster/app/serve.hpp"

#include <array>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <iostream>
#include <poll.h>
#include <string>
#include <string_view>
#include <unistd.h>

namespace ringmaster::app {
namespace {

class FakeShard {
  public:
    FakeShard(const Config& config, const ShardSetup& setup)
        : directory_(config.file.parent_path()),
          setup_(setup),
          reports_(::open((directory_ / "reports").c_str(), O_WRONLY | O_CLOEXEC)) {}

    int run(bool has_numbers) {
        report("started" + std::string(has_numbers ? " with numbers" : ""));
        if (told_to("fail-" + std::to_string(setup_.index))) {
            say("failed as it was told to");
            return kFailed;
        }
        say("recovered");
        std::string text;
        std::array<char, 4096> buffer;
        for (;;) {
            pollfd channel{setup_.channel, POLLIN, 0};
            ::poll(&channel, 1, -1);
            const ssize_t got = ::read(setup_.channel, buffer.data(), buffer.size());
            if (got < 0) continue;
            if (got == 0) {
                report("orphaned");
                return kDone;
            }
            text.append(buffer.data(), static_cast<std::size_t>(got));
            for (auto end = text.find('\n'); end != text.npos; end = text.find('\n')) {
                const std::string word = text.substr(0, end);
                text.erase(0, end + 1);
                report(word);
                if (word == channel::kConfigure) say("configured");
                if (word == channel::kServe) say("serving");
                if (word == channel::kStop) return kDone;
                if (word == channel::kDrain && !told_to("linger")) return kDone;
            }
        }
    }

  private:
    bool told_to(const std::string& what) const {
        return std::filesystem::exists(directory_ / what);
    }
    void report(const std::string& what) const {
        write_line(reports_, std::to_string(setup_.index) + " " + what);
    }
    void say(const std::string& what) const { write_line(setup_.channel, what); }
    static void write_line(int fd, const std::string& text) {
        const std::string line = text + "\n";
        [[maybe_unused]] const ssize_t ignored = ::write(fd, line.data(), line.size());
    }

    std::filesystem::path directory_;
    const ShardSetup& setup_;
    int reports_;
};

int run_fake_shard(const Config& config, const ShardSetup& setup,
                   std::optional<NumberFiles> numbers) {
    return FakeShard(config, setup).run(numbers.has_value());
}

/// fake_daemon COMMAND --config FILE [--daemonize]
int fake_main(int argc, char** argv) {
    if (argc < 4) return kUsage;
    const std::string_view command = argv[1];
    if (command == "serve") {
        return serve({.program = argv[0],
                      .config = argv[3],
                      .daemonize = argc > 4,
                      .run_shard = run_fake_shard});
    }
    const auto handover = receive_handover();
    if (!handover || !*handover || !inherit(**handover)) return kFailed;
    Console console{std::cout, std::cerr};
    return check_config(argv[3], console) ? kDone : kFailed;
}

}  // namespace
}  // namespace ringmaster::app

int main(int argc, char** argv) {
    return ringmaster::app::fake_main(argc, argv);
}
