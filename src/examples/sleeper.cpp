// A handler that sleeps. Three requests at once take as long as one, and so do ten thousand.
//
//   sleeper 127.0.0.1:8081 1000
#include "program.hpp"

using namespace ringmaster::http;

int main(int argc, char** argv) {
    return examples::run(argc, argv, {"LISTEN", "MILLISECONDS"}, [](examples::Program& program) {
        const std::chrono::milliseconds time(std::stoi(program.argument(1)));
        program.router.add(
            Method::get, "/",
            [&program, time](const Request&, const PathParameters&, Response& response) {
                program.sleep(time);
                response.content_type = "text/plain";
                response.body = "awake\n";
            });
    });
}
