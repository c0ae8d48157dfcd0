#pragma once

#include "ringmaster/app/shard_fleet.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/store/disk.hpp"

#include <filesystem>
#include <list>
#include <optional>
#include <poll.h>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::app {

/// What a client can ask a supervisor for: one line that is the command's name. It is answered when
/// the outcome is known, with "done" or "failed" in a line and a text up to the end.
enum class ControlCommand { status, status_json, stop, reload, restart };

/// "status", "status --json", "stop", ...
std::string_view name_of(ControlCommand command) noexcept;
std::optional<ControlCommand> parse_control(std::string_view line) noexcept;
std::string control_answer(bool good, std::string_view text);
/// The text of a good answer; ErrorCode::unavailable with that of one that tells a failure, and
/// ErrorCode::closed where it is neither: the supervisor has gone without an answer.
Result<std::string> read_control_answer(std::string_view answer);

/// Serves the clients of a control socket, without threads and without ever waiting: its owner
/// polls what it waits for, and calls turn(). At most 16 clients at once, who have five seconds
/// each to say what they want, and to take their answer.
class ControlServer {
  public:
    struct Request {
        ControlCommand command;
        ControlClient client;
    };

    explicit ControlServer(store::UniqueFd listening);

    /// Who connected to a predecessor and waits for an answer. Takes over `fd`.
    ControlClient adopt(int fd);

    void add_polled(std::vector<pollfd>& polled) const;
    /// When turn() is to be called at the latest.
    std::optional<SteadyTime> next_time() const;
    /// Goes on with all clients as far as possible. Each request is to be answered once.
    std::vector<Request> turn(SteadyTime now);
    /// A client that has left gets none.
    void answer(ControlClient client, bool good, std::string_view text, SteadyTime now);

    int listening() const noexcept { return listening_.get(); }
    /// Of those that are still there, the descriptors.
    std::vector<int> descriptors(const std::vector<ControlClient>& clients) const;

  private:
    struct Client {
        ControlClient id = 0;
        store::UniqueFd fd = {};
        std::optional<SteadyTime> until = {};  ///< nothing: it waits for its answer
        std::string input = {};
        std::string output = {};
        bool asked = false;
        bool gone = false;
    };

    void accept_all(SteadyTime now);
    std::optional<Request> read_from(Client& client, SteadyTime now);
    void write_to(Client& client);

    store::UniqueFd listening_;
    std::list<Client> clients_;
    ControlClient last_id_ = 0;
};

/// Asks the supervisor of a run directory and waits for the outcome, however long that takes.
/// ErrorCode::not_found where there is none; otherwise as read_control_answer().
Result<std::string> ask_supervisor(const std::filesystem::path& run_dir, ControlCommand command);

}  // namespace ringmaster::app
