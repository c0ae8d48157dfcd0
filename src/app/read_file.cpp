#include "ringmaster/app/read_file.hpp"

#include "ringmaster/app/printable.hpp"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

namespace ringmaster::app {

Result<std::string> read_file(const std::filesystem::path& file, std::size_t max_bytes) {
    const auto error = [&](ErrorCode code, const std::string& why) {
        return Error{code, printable(file.string()) + ": " + why};
    };
    const auto system_error = [&] {
        return error(ErrorCode::not_found,
                     "can't be read: " + std::generic_category().message(errno));
    };
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "rbe"),
                                                             &std::fclose);
    if (!in) return system_error();

    std::string text;
    constexpr std::size_t kStep = 64 * 1024;
    for (std::size_t got = 1; got > 0; text.resize(text.size() - kStep + got)) {
        if (text.size() > max_bytes) {
            return error(ErrorCode::invalid,
                         "is larger than " + std::to_string(max_bytes) + " bytes");
        }
        text.resize(text.size() + kStep);
        got = std::fread(text.data() + text.size() - kStep, 1, kStep, in.get());
        if (std::ferror(in.get()) != 0) return system_error();
    }
    return text;
}

}  // namespace ringmaster::app
