#include "redis/servers.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <random>
#include <sstream>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace ringmaster::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error(what);
}

[[noreturn]] void fail_errno(const std::string& what) {
    fail(what + ": " + std::strerror(errno));
}

sockaddr_in loopback(unsigned port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
}

bool is_free(unsigned port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in address = loopback(port);
    const bool free = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return free;
}

/// Whether no other test has the port, or has taken it for a server that is down now. It is ours
/// until this process ends.
bool claim(unsigned port) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail_errno("socket");
    const std::string name = "ringmaster test port " + std::to_string(port);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::ranges::copy(name, address.sun_path + 1);  // abstract, behind the zero
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return true;
    if (errno != EADDRINUSE) fail_errno("claim of port " + std::to_string(port));
    ::close(fd);
    return false;
}

/// As tests/system/ports.py, which has the same range and says why. The port of a cluster's bus is
/// 10,000 above.
std::uint16_t find_port() {
    static std::mt19937 random{std::random_device{}()};
    std::uniform_int_distribution<unsigned> ports(20'000, 22'699);
    for (int i = 0; i < 10'000; ++i) {
        const unsigned port = ports(random);
        if (claim(port) && is_free(port) && is_free(port + 10'000)) {
            return static_cast<std::uint16_t>(port);
        }
    }
    fail("no free port");
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream in(text);
    for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
    return parts;
}

/// The value of "field:value\r\n".
std::string field_of(const std::string& info, std::string_view field) {
    for (std::string line : split(info, '\n')) {
        if (line.ends_with('\r')) line.pop_back();
        if (line.starts_with(field) && line.size() > field.size() && line[field.size()] == ':') {
            return line.substr(field.size() + 1);
        }
    }
    return "";
}

}  // namespace

PlainConnection::PlainConnection(std::uint16_t port, const std::string& password,
                                 const std::string& user)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in address = loopback(port);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ::close(fd_);
        fail_errno("connect to port " + std::to_string(port));
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (password.empty()) return;
    try {
        const std::string answer =
            command(user.empty() ? Words{"AUTH", password} : Words{"AUTH", user, password});
        if (answer != "OK") fail(answer);
    } catch (...) {
        ::close(fd_);
        throw;
    }
}

PlainConnection::~PlainConnection() {
    ::close(fd_);
}

std::string PlainConnection::command(const Words& words, milliseconds timeout) {
    until_ = steady_clock::now() + timeout;
    std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) {
        bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    }
    for (std::string_view left = bytes; !left.empty();) {
        const ssize_t sent = ::send(fd_, left.data(), left.size(), MSG_NOSIGNAL);
        if (sent < 0) fail_errno("send " + words.at(0));
        left.remove_prefix(static_cast<std::size_t>(sent));
    }
    return read_reply();
}

void PlainConnection::read_more() {
    const auto left = std::chrono::ceil<milliseconds>(until_ - steady_clock::now());
    pollfd readable{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&readable, 1, static_cast<int>(std::max<long>(0, left.count()))) == 0) {
        fail("no answer in time");
    }
    char bytes[16'384];
    const ssize_t size = ::recv(fd_, bytes, sizeof bytes, 0);
    if (size < 0) fail_errno("recv");
    if (size == 0) fail("connection closed");
    buffer_.append(bytes, static_cast<std::size_t>(size));
}

std::string PlainConnection::read_line() {
    std::size_t end;
    while ((end = buffer_.find("\r\n")) == buffer_.npos) read_more();
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return line;
}

std::string PlainConnection::read_reply() {
    const std::string line = read_line();
    const std::string rest = line.substr(1);
    if (line[0] == '+' || line[0] == ':') return rest;
    if (line[0] == '-') return line;
    if (line[0] != '$' && line[0] != '*') fail("not RESP2: " + line);
    if (rest == "-1") return "(nil)";
    const std::size_t size = std::stoul(rest);
    std::string text;
    if (line[0] == '*') {
        for (std::size_t i = 0; i < size; ++i) text += read_reply() + "\n";
    } else {
        while (buffer_.size() < size + 2) read_more();
        text = buffer_.substr(0, size);
        buffer_.erase(0, size + 2);
    }
    return text;
}

std::string command(std::uint16_t port, const Words& words, const std::string& password) {
    return PlainConnection(port, password).command(words);
}

void wait_until(std::string_view what, const std::function<bool()>& condition,
                milliseconds timeout) {
    const auto end = steady_clock::now() + timeout;
    std::string why;
    while (true) {
        try {
            if (condition()) return;
        } catch (const std::runtime_error& error) {  // e.g. a server that hangs up just then
            why = std::string(", ") + error.what();
        }
        if (steady_clock::now() > end) fail("waited in vain: " + std::string(what) + why);
        std::this_thread::sleep_for(milliseconds(5));
    }
}

RedisServer::RedisServer(RedisServerOptions options) : options_(std::move(options)) {
    std::string name =
        (std::filesystem::temp_directory_path() / "ringmaster-redis-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) fail_errno("mkdtemp");
    directory_ = name;
    if (options_.settable_clock) {
        const int file =
            ::open((directory_ / "clock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
        if (file < 0 || ::ftruncate(file, sizeof *clock_) != 0) fail_errno("file of the clock");
        void* page = ::mmap(nullptr, sizeof *clock_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        ::close(file);
        if (page == MAP_FAILED) fail_errno("mmap");
        clock_ = static_cast<std::int64_t*>(page);
    }
    for (int attempt = 0; attempt < 10; ++attempt) {
        port_ = options_.port != 0 ? options_.port : find_port();
        write_config();
        if (try_start()) return;
    }
    const std::string log = read_file(directory_ / "log");
    std::filesystem::remove_all(directory_);
    fail("redis-server does not start: " + log);
}

RedisServer::~RedisServer() {
    if (pid_ > 0) end(SIGKILL);
    if (clock_ != nullptr) ::munmap(clock_, sizeof *clock_);
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

void RedisServer::write_config() const {
    std::ofstream file(directory_ / "redis.conf");
    file << "bind 127.0.0.1\nport " << port_ << "\ndir " << directory_.string()
         << "\nlogfile log\nloglevel notice\n";
    if (options_.unix_socket) file << "unixsocket " << socket_path() << "\n";
    if (!options_.password.empty()) file << "requirepass " << options_.password << "\n";
    if (!options_.sentinel) {
        file << "save \"\"\nappendonly " << (options_.appendonly ? "yes" : "no") << "\n";
        // A replica is in step at once, instead of 5 s later.
        file << "repl-diskless-sync-delay 0\n";
        if (!options_.password.empty()) file << "masterauth " << options_.password << "\n";
    }
    for (const std::string& line : options_.config) file << line << "\n";
}

bool RedisServer::try_start() {
    const std::string config = (directory_ / "redis.conf").string();
    const std::string clock = "RINGMASTER_SETTABLE_CLOCK=" + (directory_ / "clock").string();
    const std::string preload = "LD_PRELOAD=" RINGMASTER_SETTABLE_CLOCK;
    std::vector<char*> environment;
    for (char** word = environ; *word != nullptr; ++word) environment.push_back(*word);
    if (options_.settable_clock) {
        environment.push_back(const_cast<char*>(clock.c_str()));
        environment.push_back(const_cast<char*>(preload.c_str()));
    }
    environment.push_back(nullptr);
    std::string words[] = {"redis-server", config, "--sentinel"};
    std::vector<char*> arguments{words[0].data(), words[1].data()};
    if (options_.sentinel) arguments.push_back(words[2].data());
    arguments.push_back(nullptr);

    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) fail_errno("fork");
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(1);
        const int log = ::open((directory_ / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        ::dup2(log, STDOUT_FILENO);
        ::dup2(log, STDERR_FILENO);
        ::close(STDIN_FILENO);
        ::execvpe(arguments[0], arguments.data(), environment.data());
        ::_exit(1);
    }
    const auto end = steady_clock::now() + seconds(30);
    while (steady_clock::now() < end) {
        if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
            pid_ = 0;
            return false;
        }
        try {
            // Somebody else's server may have come to have this port.
            PlainConnection connection(port_, options_.password);
            if (field_of(connection.command({"INFO", "server"}), "process_id") ==
                    std::to_string(pid_) &&
                connection.command({"PING"}) == "PONG") {
                return true;
            }
        } catch (const std::runtime_error&) {
        }
        std::this_thread::sleep_for(milliseconds(2));
    }
    this->end(SIGKILL);
    return false;
}

std::string RedisServer::url() const {
    const std::string password = options_.password.empty() ? "" : ":" + options_.password + "@";
    return "redis://" + password + "127.0.0.1:" + std::to_string(port_);
}

std::string RedisServer::socket_path() const {
    return (directory_ / "socket").string();
}

std::string RedisServer::command(const Words& words) const {
    return redis::command(port_, words, options_.password);
}

std::string RedisServer::info(std::string_view field) const {
    return field_of(command({"INFO", "everything"}), field);
}

void RedisServer::end(int signal) {
    ::kill(pid_, signal);
    ::kill(pid_, SIGCONT);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
}

void RedisServer::kill() {
    end(SIGKILL);
}
void RedisServer::shutdown() {
    end(SIGTERM);
}
void RedisServer::stop_answering() {
    ::kill(pid_, SIGSTOP);
}
void RedisServer::go_on() {
    ::kill(pid_, SIGCONT);
}

void RedisServer::start() {
    // Whoever has the port for a moment, e.g. as a client, leaves it again.
    for (int attempt = 0; attempt < 10; ++attempt) {
        if (try_start()) return;
        std::this_thread::sleep_for(milliseconds(100));
    }
    fail("redis-server does not start again: " + read_file(directory_ / "log"));
}

void RedisServer::restart() {
    kill();
    start();
}

void RedisServer::restart_empty() {
    kill();
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
        const std::string name = entry.path().filename().string();
        if (name != "redis.conf" && name != "clock" && name != "log") {
            std::filesystem::remove_all(entry.path());
        }
    }
    start();
}

void RedisServer::set_time(std::int64_t time_ms) {
    if (clock_ == nullptr) fail("without settable_clock");
    __atomic_store_n(clock_, time_ms, __ATOMIC_SEQ_CST);
}

}  // namespace ringmaster::redis
