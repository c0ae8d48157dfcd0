#pragma once

#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): not ours
class App;
}

namespace ringmaster::app {

/// What a shell sources to complete the command line: all of it made from the tree of commands, so
/// that it can't be older than the program. Depends on nothing else.
std::string bash_completion(const CLI::App& root);
std::string zsh_completion(const CLI::App& root);
std::string fish_completion(const CLI::App& root);

}  // namespace ringmaster::app
