#pragma once

#include "ringmaster/app/admin_client.hpp"
#include "ringmaster/app/cli.hpp"
#include "ringmaster/app/console.hpp"
#include "ringmaster/base/result.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace ringmaster::app {

/// What `pools import` is told.
struct ImportOptions {
    std::string pool;
    std::string file;                         ///< for messages
    bool replace = false;                     ///< the pool shall have these numbers and no others
    bool skip_invalid = false;                ///< go on without those that are refused
    std::size_t portion_bytes = 1024 * 1024;  ///< of one request's body, about
};

/// The commands that ask a running daemon. Each writes tables for people or, where asked for JSON,
/// one document: the daemon's own where there is one answer.
class AdminCommands {
  public:
    /// `console` must outlive the commands.
    AdminCommands(AskAdmin ask, Console& console, bool json);

    ExitCode list_pools();
    ExitCode show_pool(std::string_view id);
    /// `definition` is a JSON object by the names of the configuration.
    ExitCode put_pool(std::string_view id, const std::string& definition);
    ExitCode delete_pool(std::string_view id);
    /// How many numbers each pool needs, and what to do.
    ExitCode advise();

    /// Checks all of `text`, the content of the file, and tells what is wrong with it; then nothing
    /// has been changed. What only the store can refuse it finds out portion by portion: each is
    /// applied as a whole or not at all, the first that is refused ends it, and what has been
    /// applied until then is told.
    ExitCode import_numbers(const ImportOptions& options, std::string_view text);
    /// Writes all numbers but those that drain, one a line, or as CSV.
    ExitCode export_numbers(std::string_view id, bool csv);

    /// `at` is a time as the daemon reads it; with `history`, the last so many holders.
    ExitCode who(std::string_view number, const std::string& at,
                 std::optional<std::size_t> history);
    ExitCode release(std::string_view number, std::string_view pool, std::string_view session);
    ExitCode erase(std::string_view session);

  private:
    class Import;

    /// The body of a good answer; else not_found, or another code, with a text for people.
    Result<std::string> get(std::string target);
    Result<std::string> answer_to(const AdminRequest& request);

    /// Tells a good answer: as it is where JSON is wanted, else what `text` makes of it.
    template <class Text>
    ExitCode show(const AdminRequest& request, Text&& text);
    /// One page after the other, each as the daemon has sent it.
    Result<void> for_each_page(std::string_view id,
                               const std::function<void(std::string_view)>& visit);

    AskAdmin ask_;
    Console& console_;
    bool json_;
};

}  // namespace ringmaster::app
