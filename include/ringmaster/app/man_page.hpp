#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): not ours
class App;
}

namespace ringmaster::app {

/// A section that the tree of commands does not have: "EXIT STATUS", and for each word what it
/// means.
struct ManualSection {
    struct Item {
        std::string_view term;
        std::string_view meaning;
    };
    std::string_view title;
    std::vector<Item> items;
};

/// The manual page of the command and all its commands, in the language of man(7).
std::string man_page(const CLI::App& root, std::string_view version,
                     const std::vector<ManualSection>& sections);

}  // namespace ringmaster::app
