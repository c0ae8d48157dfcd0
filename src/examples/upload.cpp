// Takes a file of any size as it comes, in constant memory. One whose client leaves in the middle
// is removed again: the handler is cancelled at its next wait, and its destructors run.
//
//   upload 127.0.0.1:8081 DIRECTORY
#include "ringmaster/runtime/helper_thread.hpp"

#include <filesystem>
#include <fstream>

#include "program.hpp"

using namespace ringmaster;
using namespace ringmaster::http;
namespace fs = std::filesystem;

namespace {

/// A file that vanishes where nobody says that it is complete.
class PartialFile {
  public:
    explicit PartialFile(fs::path path) : path_(std::move(path)), file_(path_, std::ios::binary) {
        file_.exceptions(std::ios::failbit | std::ios::badbit);
    }
    ~PartialFile() {
        std::error_code gone_already;
        fs::remove(path_, gone_already);
    }
    void write(std::string_view part) {
        file_.write(part.data(), static_cast<std::streamsize>(part.size()));
    }
    void complete(const fs::path& name) {
        file_.close();
        fs::rename(path_, name);
    }

  private:
    fs::path path_;
    std::ofstream file_;
};

}  // namespace

int main(int argc, char** argv) {
    return examples::run(argc, argv, {"LISTEN", "DIRECTORY"}, [](examples::Program& program) {
        const fs::path directory = program.argument(1);
        // A disk may be slow, and the reactor must not wait for it.
        const auto disk = std::make_shared<runtime::HelperThread>(program.reactor(), "disk");
        program.router.add(
            Method::put, "/{name}",
            [directory, disk, uploads = 0](Request& request, const PathParameters& name,
                                           Response& response) mutable {
                if (name[0].find('/') != std::string::npos || name[0].starts_with('.')) {
                    return set_error(response, 400, "InvalidInput", "not a file name");
                }
                PartialFile file(directory / (".part-" + std::to_string(++uploads)));
                std::size_t bytes = 0;
                while (true) {
                    const std::string_view part = request.read_body();
                    if (part.empty()) break;
                    disk->run([&] { file.write(part); });
                    bytes += part.size();
                }
                disk->run([&] { file.complete(directory / name[0]); });
                response.status = 201;
                response.content_type = "text/plain";
                response.body = std::to_string(bytes) + " bytes\n";
            },
            Body::streamed);
    });
}
