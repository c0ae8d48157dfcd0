#include "ringmaster/base/log.hpp"

#include <string>

namespace ringmaster {

std::uint64_t ErrorReporter::report(std::string_view doing, std::exception_ptr error) noexcept {
    const std::uint64_t handle = ++count_;
    try {
        std::string what = "an exception that is not a std::exception";
        try {
            if (error) std::rethrow_exception(error);
        } catch (const std::exception& e) {
            what = e.what();
        } catch (...) {
        }
        log_.error("error handle " + std::to_string(handle) + ": " + std::string(doing) + ": " +
                   what);
    } catch (...) {
        log_.error("an error could not be described: out of memory");
    }
    return handle;
}

}  // namespace ringmaster
