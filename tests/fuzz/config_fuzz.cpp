// A configuration file.
//
// Whatever is wrong is told in lines that begin with file, line and column and have no control
// characters; a key is never told; pools that are accepted satisfy their own rules.

#include "ringmaster/app/config.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "app/scratch_directory.hpp"
#include "fuzz_target.hpp"

namespace {

using namespace ringmaster;
using namespace ringmaster::fuzz;

bool starts_with_place(std::string_view line, const std::string& file) {
    for (const std::string& part : {file + ":", std::string(":"), std::string(": ")}) {
        if (!line.starts_with(part)) return false;
        line.remove_prefix(part.size());
        line.remove_prefix(std::min(line.find_first_not_of("0123456789"), line.size()));
    }
    return true;
}

Result<app::Config> load(std::string_view text, std::string& file) {
    static const app::ScratchDirectory directory;
    file = directory.write("x.toml", text).string();
    return app::load_config(file);
}

void check(std::string_view text) {
    std::string file;
    const auto config = load(text, file);
    if (config) {
        for (const auto& pool : config->pools) {
            expect(pool.definition.validate().ok(), "a pool that is accepted is good");
        }
        return;
    }
    expect(config.error().code == ErrorCode::invalid, "the file was read");
    std::string_view told = config.error().message;
    while (!told.empty()) {
        const std::string_view line = told.substr(0, told.find('\n'));
        expect(starts_with_place(line, file), "each problem is told with its place");
        expect(std::ranges::none_of(line, [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }),
               "problems are told without control characters");
        told.remove_prefix(std::min(line.size() + 1, told.size()));
    }
}

/// The input is what stands before and behind a key in its line.
void check_secret(std::string_view text) {
    constexpr char kLetter = 'Q';  // that nothing else has: even one of a key's letters is too many
    constexpr std::size_t kMostBefore = 8;
    if (text.find(kLetter) != text.npos) return;
    const std::size_t opening = std::min(text.find_first_of("\r\n"), text.size() % kMostBefore);
    std::string file;
    const auto config = load("[[pool]]\nkey = " + std::string(text.substr(0, opening)) +
                                 std::string(9, kLetter) + std::string(text.substr(opening)),
                             file);
    if (config) return;
    std::string_view told = config.error().message;
    for (auto at = told.find(file); at != told.npos; at = told.find(file)) {
        expect(told.substr(0, at).find(kLetter) == told.npos, "a key is never told");
        told.remove_prefix(at + file.size());
    }
    expect(told.find(kLetter) == told.npos, "a key is never told");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text(data, size);
    // toml++ 3.3 takes some letters outside of quotes, e.g. u with a circumflex, for unreachable.
    // What is not ASCII can still come from escapes.
    if (std::ranges::any_of(text, [](char c) { return c < 0; })) return 0;
    check(text);
    check_secret(text);
    return 0;
}
