#include <ringmaster/http/client.hpp>
#include <ringmaster/http/router.hpp>
#include <ringmaster/http/server.hpp>

using namespace ringmaster;
using http::Method, http::PathParameters, http::Request, http::Response;

int main() {
    SystemClock clock;
    NullLog log;
    ErrorReporter errors(log);
    runtime::Reactor reactor(clock, errors, {});
    http::Router router;
    http::Server server(
        reactor, [&](Request& request, Response& answer) { router.handle(request, answer); }, {},
        errors, log);
    if (!server.listen(*net::parse_endpoint("127.0.0.1:0"))) return 1;
    http::Client upstream(reactor, server.local_endpoint(), "localhost");

    router.add(Method::get, "/name",
               [](Request&, const PathParameters&, Response& answer) { answer.body = "world"; });
    router.add(Method::get, "/greeting", [&](Request&, const PathParameters&, Response& answer) {
        const auto name = upstream.get("/name");  // suspends this request, and no other
        answer.body = "Hello, " + (name ? name->body : name.error().message) + "!";
    });

    int status = 1;
    reactor.post([&] {
        reactor.scheduler().spawn("visitor", [&] {
            const auto greeting = upstream.get("/greeting");
            if (greeting && greeting->body == "Hello, world!") status = 0;
            reactor.stop();
        });
    });
    reactor.run();
    return status;
}
