// Gives every file that is named, or that lies in a directory that is named, to one fuzz target: so
// what fuzzers have found once is tested in every build, without libFuzzer.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

#include "fuzz_target.hpp"

int main(int count, char** arguments) {
    namespace fs = std::filesystem;
    std::set<fs::path> files;
    for (int i = 1; i < count; ++i) {
        const fs::path path = arguments[i];
        if (!fs::is_directory(path)) {
            files.insert(path);
            continue;
        }
        for (const auto& entry : fs::directory_iterator(path)) files.insert(entry.path());
    }
    for (const fs::path& path : files) {
        // Told before, because an input that fails ends the process.
        std::fprintf(stderr, "%s\n", path.c_str());
        std::ifstream file(path, std::ios::binary);
        const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
        if (file.bad() || !file.is_open()) return EXIT_FAILURE;
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    }
    std::fprintf(stderr, "%zu inputs\n", files.size());
    return files.empty() ? EXIT_FAILURE : EXIT_SUCCESS;
}
