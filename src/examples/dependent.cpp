// Two fetches in a row, of which the second depends on the first: a visitor's account, and then the
// orders of that account.
//
//   dependent 127.0.0.1:8081 127.0.0.1:8080
#include "program.hpp"

using namespace ringmaster::http;

int main(int argc, char** argv) {
    return examples::run(argc, argv, {"LISTEN", "UPSTREAM"}, [](examples::Program& program) {
        Client& upstream = program.client(program.argument(1));
        program.router.add(
            Method::get, "/visitors/{visitor}/orders",
            [&](const Request&, const PathParameters& visitor, Response& response) {
                const auto account = upstream.get("/accounts/" + visitor[0]);
                if (!account || account->head.status != 200) {
                    return set_error(response, 502, "BadGateway", "no account was found");
                }
                const auto orders = upstream.get("/orders/" + account->body);
                if (!orders || orders->head.status != 200) {
                    return set_error(response, 502, "BadGateway", "no orders were found");
                }
                response.content_type = "text/plain";
                response.body = orders->body;
            });
    });
}
