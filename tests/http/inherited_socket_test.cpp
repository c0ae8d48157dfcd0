#include "ringmaster/http/testing.hpp"
#include "ringmaster/net/stream.hpp"

#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

class Listening {
  public:
    Listening() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        const net::Endpoint any = *net::parse_endpoint("127.0.0.1:0");
        socklen_t size = sizeof address_;
        auto* const plain = reinterpret_cast<sockaddr*>(&address_);
        EXPECT_EQ(::bind(fd_, any.data(), static_cast<socklen_t>(any.size())), 0);
        EXPECT_EQ(::listen(fd_, 16), 0);
        EXPECT_EQ(::getsockname(fd_, plain, &size), 0);
    }
    ~Listening() { ::close(fd_); }
    int fd() const { return fd_; }
    net::Endpoint endpoint() const {
        net::Endpoint endpoint = *net::parse_endpoint("127.0.0.1:0");
        std::memcpy(endpoint.data(), &address_, sizeof(sockaddr_in));
        return endpoint;
    }

  private:
    int fd_;
    sockaddr_storage address_{};
};

void answer_name(Request&, Response& response) {
    response.body = "served";
}

TEST(InheritedSocket, IsAcceptedFromUntilItIsLeftToOthers) {
    const Listening socket;
    TestServer test;
    test.run(answer_name, [&] {
        ASSERT_TRUE(test.server().accept_from(socket.fd()));
        Client client(test.reactor(), socket.endpoint(), "localhost");
        const auto first = client.get("/");
        ASSERT_TRUE(first);
        EXPECT_EQ(first->body, "served");

        // Connections stay, and new ones wait for somebody else.
        test.server().stop_accepting_from(socket.fd());
        EXPECT_TRUE(client.get("/"));
        const auto waiting = net::connect(test.reactor(), socket.endpoint(), Deadline::never());
        ASSERT_TRUE(waiting);
        ASSERT_TRUE((*waiting)->write("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Deadline::never()));
        EXPECT_TRUE(client.get("/"));
        EXPECT_TRUE((*waiting)->usable());  // nothing has come back

        ASSERT_TRUE(test.server().accept_from(socket.fd()));
        char first_byte = 0;
        const auto read = (*waiting)->read_some({&first_byte, 1}, Deadline::never());
        ASSERT_TRUE(read);
        EXPECT_EQ(first_byte, 'H');
    });
}

TEST(InheritedSocket, IsLeftToOthersByADrain) {
    const Listening socket;
    TestServer test;
    test.run(answer_name, [&] { ASSERT_TRUE(test.server().accept_from(socket.fd())); });
    // It still listens: a successor will accept.
    const int late = ::socket(AF_INET, SOCK_STREAM, 0);
    const net::Endpoint to = socket.endpoint();
    EXPECT_EQ(::connect(late, to.data(), static_cast<socklen_t>(to.size())), 0);
    ::close(late);
}

}  // namespace
}  // namespace ringmaster::http
