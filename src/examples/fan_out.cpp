// Asks five upstreams side by side. Some may fail: the answer has what the others said.
//
//   fan_out 127.0.0.1:8080 127.0.0.1:9001 ... 127.0.0.1:9005
#include "ringmaster/runtime/parallel.hpp"

#include "program.hpp"

using namespace ringmaster;
using namespace ringmaster::http;

int main(int argc, char** argv) {
    constexpr std::size_t kUpstreams = 5;
    std::vector<std::string> expected(1 + kUpstreams, "UPSTREAM");
    expected[0] = "LISTEN";
    return examples::run(argc, argv, expected, [](examples::Program& program) {
        std::vector<Client*> upstreams;
        for (std::size_t i = 1; i <= kUpstreams; ++i) {
            upstreams.push_back(&program.client(program.argument(i)));
        }
        program.router.add(
            Method::get, "/prices/{what}",
            [&program, upstreams](const Request&, const PathParameters& what, Response& response) {
                const auto answers = runtime::parallel_map(
                    program.scheduler(), kUpstreams, kUpstreams,
                    [&](std::size_t i) { return upstreams[i]->get("/price/" + what[0]); });
                response.content_type = "text/plain";
                for (const auto& answer : answers) {
                    response.body += answer ? answer->body : "failed: " + answer.error().message;
                    response.body += '\n';
                }
            });
        // The same with an exception for what fails: it arrives here, whichever fiber it is from,
        // and as nobody catches it, the client gets a 500 and the log says why.
        program.router.add(
            Method::get, "/total/{what}",
            [&program, upstreams](const Request&, const PathParameters& what, Response& response) {
                double total = 0;
                runtime::parallel_for(
                    program.scheduler(), kUpstreams, kUpstreams, [&](std::size_t i) {
                        const auto answer = upstreams[i]->get("/price/" + what[0]);
                        if (!answer) throw std::runtime_error(answer.error().message);
                        total += std::stod(answer->body);
                    });
                response.content_type = "text/plain";
                response.body = std::to_string(total) + "\n";
            });
    });
}
