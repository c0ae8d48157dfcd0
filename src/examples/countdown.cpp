// An answer that is sent while it is made, with the chunked coding: a line every so often. When the
// client leaves, the handler ends at its next wait.
//
//   countdown 127.0.0.1:8081 1000
#include "ringmaster/http/event_stream.hpp"

#include "program.hpp"

using namespace ringmaster::http;

namespace {

/// Says when a handler has ended, whichever way.
struct Farewell {
    ~Farewell() { std::fprintf(stderr, "countdown ended at %d\n", count); }
    int count;
};

}  // namespace

int main(int argc, char** argv) {
    return examples::run(argc, argv, {"LISTEN", "MILLISECONDS"}, [](examples::Program& program) {
        const std::chrono::milliseconds time(std::stoi(program.argument(1)));
        program.router.add(
            Method::get, "/from/{count}",
            [&program, time](const Request&, const PathParameters& from, Response& response) {
                response.content_type = "text/plain";
                for (Farewell at{std::stoi(from[0])}; at.count > 0; --at.count) {
                    response.write(std::to_string(at.count) + "\n");
                    program.sleep(time);
                }
                response.write("lift-off\n");
            });
        // The same for a browser's EventSource.
        program.router.add(
            Method::get, "/events/from/{count}",
            [&program, time](const Request&, const PathParameters& from, Response& response) {
                EventStream events(response);
                for (int count = std::stoi(from[0]); count > 0; --count) {
                    events.send({.name = "count", .data = std::to_string(count)});
                    program.sleep(time);
                }
                events.send({.name = "lift-off", .data = "now"});
            });
    });
}
