#include "ringmaster/app/cli.hpp"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) {
    try {
        return ringmaster::app::run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ringmaster: %s\n", error.what());
        return ringmaster::app::kFailed;
    }
}
