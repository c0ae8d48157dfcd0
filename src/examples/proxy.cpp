// Fetches the page from upstream: to read it, three lines that wait without blocking anybody.
//
//   proxy 127.0.0.1:8081 127.0.0.1:8080
#include "ringmaster/http/relay.hpp"

#include "program.hpp"

using namespace ringmaster::http;

int main(int argc, char** argv) {
    return examples::run(argc, argv, {"LISTEN", "UPSTREAM"}, [](examples::Program& program) {
        Client& upstream = program.client(program.argument(1));
        program.router.add(Method::get, "/{page}",
                           [&](const Request& request, const PathParameters&, Response& response) {
                               auto page = upstream.get(std::string(request.target()));
                               if (!page)
                                   return set_error(response, 502, "BadGateway",
                                                    page.error().message);
                               relay(*std::move(page), response);
                           });
    });
}
