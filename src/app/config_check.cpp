#include "ringmaster/app/config_check.hpp"

#include "ringmaster/app/number_files.hpp"

#include <string>

namespace ringmaster::app {

bool check_config(const std::filesystem::path& file, Console& console, const Config* running) {
    const auto config = load_config(file);
    if (!config) {
        console.err << config.error().message << '\n';
        return false;
    }
    const NumberFiles numbers = read_number_files(config->pools);
    for (const std::string& warning : numbers.warnings) {
        console.err << "warning: " << warning << '\n';
    }
    for (const std::string& problem : numbers.problems) console.err << problem << '\n';
    if (!numbers.problems.empty()) return false;
    const std::string changed = running != nullptr ? different_settings(*running, *config) : "";
    if (!changed.empty()) {
        console.err << "warning: a change of " << changed << " takes effect with a restart only\n";
    }
    console.out << file.string() << ": good; " << config->pools.size() << " pools, "
                << numbers.numbers << " numbers, " << numbers.refused << " refused\n";
    return true;
}

}  // namespace ringmaster::app
