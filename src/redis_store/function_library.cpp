#include "ringmaster/redis_store/function_library.hpp"

#include "ringmaster/redis/command.hpp"

#include <cassert>

namespace ringmaster::redis_store {
namespace {

// As the text itself has it, so that there is one place to change it.
std::string_view revision() noexcept {
    constexpr std::string_view kBefore = "\nlocal REVISION = ";
    const std::string_view text = function_library_text();
    const auto found = text.find(kBefore);
    assert(found != text.npos);
    const auto begin = found + kBefore.size();
    return text.substr(begin, text.find('\n', begin) - begin);
}

}  // namespace

Result<void> load_function_library(redis::Client& client, Deadline deadline) {
    const redis::Command check({"FCALL_RO", "rm1_revision", "0", revision()});
    if (client.call_primaries(check.bytes(), deadline)) return {};
    // It is missing or old somewhere; or the server can't be reached, which then is told again.
    const redis::Command load({"FUNCTION", "LOAD", "REPLACE", function_library_text()});
    return client.call_primaries(load.bytes(), deadline);
}

Result<void> LibraryLoader::load(Deadline deadline) {
    if (loading_) {
        if (ended_.wait(deadline) == runtime::WakeReason::notified) return last_;
        return Error{ErrorCode::timeout, "the functions are still being loaded"};
    }
    struct Ended {
        LibraryLoader& loader;
        ~Ended() {
            loader.loading_ = false;
            loader.ended_.notify_all();
        }
    };
    loading_ = true;
    const Ended ended{*this};
    last_ =
        Error{ErrorCode::unavailable, "the functions were not loaded"};  // where this is cancelled
    last_ = load_function_library(client_, deadline);
    return last_;
}

}  // namespace ringmaster::redis_store
