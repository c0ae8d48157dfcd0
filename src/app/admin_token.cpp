#include "ringmaster/app/admin_token.hpp"

#include "ringmaster/api/admin_access.hpp"
#include "ringmaster/app/printable.hpp"
#include "ringmaster/app/read_file.hpp"

#include <algorithm>

namespace ringmaster::app {
namespace {

constexpr std::size_t kMaxFileBytes = 4096;
constexpr std::size_t kMinBytes = 16;  ///< what can be guessed by trying is no secret

}  // namespace

bool is_good_admin_token(std::string_view token) noexcept {
    static_assert(api::AdminAccess::kMaxTokenBytes == 128, "as kGoodAdminToken says");
    return token.size() >= kMinBytes && token.size() <= api::AdminAccess::kMaxTokenBytes &&
           std::ranges::all_of(token, [](char c) { return c > ' ' && c < '\x7F'; });
}

Result<std::string> read_admin_token(const std::filesystem::path& file) {
    const auto text = read_file(file, kMaxFileBytes);
    if (!text) return text.error();
    std::string line = text->substr(0, text->find('\n'));
    if (line.ends_with('\r')) line.pop_back();
    if (!is_good_admin_token(line)) {
        return Error{ErrorCode::invalid, printable(file.string()) + ": its first line has " +
                                             std::to_string(line.size()) + " bytes; expected " +
                                             kGoodAdminToken};
    }
    return line;
}

}  // namespace ringmaster::app
