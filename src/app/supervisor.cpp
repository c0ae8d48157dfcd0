#include "ringmaster/app/supervisor.hpp"

#include "ringmaster/app/child_process.hpp"
#include "ringmaster/app/config_check.hpp"
#include "ringmaster/app/fleet_status.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <iostream>
#include <poll.h>
#include <random>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace ringmaster::app {
namespace {

using shard::ShardIndex;
using shard::ShardPhase;
using store::UniqueFd;
using Kind = FleetAction::Kind;

constexpr std::size_t kMaxLineBytes = 4096;
constexpr std::size_t kMaxCheckBytes = 64 * 1024;
constexpr std::string_view kWarning = "warning: ";

struct Signal {
    int number;
    const char* name;
};
constexpr std::array kSignals = {Signal{SIGTERM, "SIGTERM"}, Signal{SIGINT, "SIGINT"},
                                 Signal{SIGQUIT, "SIGQUIT"}, Signal{SIGHUP, "SIGHUP"},
                                 Signal{SIGUSR1, "SIGUSR1"}, Signal{SIGUSR2, "SIGUSR2"},
                                 Signal{SIGCHLD, "SIGCHLD"}};

const char* name_of_signal(int number) {
    return std::ranges::find(kSignals, number, &Signal::number)->name;
}

UniqueFd take_signals_by_descriptor() {
    // A peer that has gone, and a log that may not grow, are errors of the call.
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    for (const Signal& signal : kSignals) sigaddset(&set, signal.number);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    return UniqueFd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

/// Visits the lines of `text` and leaves the beginning of the next one.
template <class Visit>
void take_lines(std::string& text, Visit&& visit) {
    std::size_t begin = 0;
    for (auto end = text.find('\n'); end != text.npos; end = text.find('\n', begin)) {
        visit(std::string_view(text).substr(begin, end - begin));
        begin = end + 1;
    }
    text.erase(0, begin);
}

}  // namespace

Supervisor::Supervisor(const Config& config, Estate& estate, SupervisorOptions options,
                       DirectLog& log, const Clock& clock)
    : config_(config),
      estate_(estate),
      options_(std::move(options)),
      log_(log),
      clock_(clock),
      signals_(take_signals_by_descriptor()),
      control_(std::move(estate.sockets.control)),
      fleet_({.shards = estate.shards(),
              .drain_timeout = config.drain_timeout,
              .address = net::to_string(local_endpoint(estate.sockets.public_sockets[0].get()))},
             log, std::random_device()()),
      processes_(estate.shards()) {}

Supervisor::~Supervisor() = default;

ExitCode Supervisor::run(NumberFiles numbers) {
    numbers_ = std::move(numbers);
    fleet_.start();
    return loop();
}

ExitCode Supervisor::run(const Handover& handover) {
    std::vector<ControlClient> clients;
    for (const int fd : handover.clients) clients.push_back(control_.adopt(fd));
    std::vector<ShardPhase> phases;
    for (ShardIndex i = 0; i < processes_.size(); ++i) {
        const Handover::Shard& shard = handover.shards[i];
        processes_[i] = {shard.pid, UniqueFd(shard.channel), shard.heard};
        phases.push_back(shard.phase);
    }
    was_ready_ = true;
    const SteadyTime now = clock_.steady_now();
    fleet_.adopt(phases, std::move(clients), now);
    for (ShardIndex i = 0; i < processes_.size(); ++i) {
        if (processes_[i].pid != 0 && processes_[i].channel.get() < 0) fleet_.hung_up(i, now);
    }
    return loop();
}

ExitCode Supervisor::loop() {
    do_actions();
    while (!ended_) {
        wait();
        turn();
    }
    return *ended_;
}

void Supervisor::wait() {
    std::vector<pollfd> polled = {{signals_.get(), POLLIN, 0}};
    for (const Process& process : processes_) {
        if (process.channel.get() >= 0) polled.push_back({process.channel.get(), POLLIN, 0});
    }
    if (check_.output.get() >= 0) polled.push_back({check_.output.get(), POLLIN, 0});
    control_.add_polled(polled);

    int timeout_ms = -1;
    const SteadyTime now = clock_.steady_now();
    for (const auto& time : {fleet_.next_time(), control_.next_time(), notification_.next_sign()}) {
        if (!time) continue;
        const auto left = *time <= now ? std::chrono::milliseconds(0)
                                       : std::chrono::ceil<std::chrono::milliseconds>(*time - now);
        const auto left_ms = static_cast<int>(std::min<std::int64_t>(left.count(), 3'600'000));
        timeout_ms = timeout_ms < 0 ? left_ms : std::min(timeout_ms, left_ms);
    }
    ::poll(polled.data(), polled.size(), timeout_ms);
}

/// Nothing blocks, and what happens is rare: all are looked at, not only those that are ready.
void Supervisor::turn() {
    for (ShardIndex i = 0; i < processes_.size(); ++i) listen_to(i);
    read_check();
    take_signals();
    serve_clients();
    fleet_.on_time(clock_.steady_now());
    do_actions();
    notification_.keep_alive(clock_.steady_now(), [&](std::chrono::microseconds interval) {
        return all_alive(estate_.page, clock_.steady_now(), interval);
    });
}

void Supervisor::do_actions() {
    bool run = false;
    do {
        // The last thing that is done, and not where a signal to stop was the next.
        if (std::exchange(run, false) && fleet_.ready()) run_program();
        for (const FleetAction& action : fleet_.take_actions()) {
            if (action.kind == Kind::run_program) {
                run = true;
            } else {
                perform(action);
            }
        }
    } while (run || fleet_.has_actions());
    publish();
    if (fleet_.ready() && !was_ready_) {
        was_ready_ = true;
        numbers_.reset();
        options_.on_ready();
    }
}

void Supervisor::perform(const FleetAction& action) {
    switch (action.kind) {
        case Kind::fork: return fork_shard(action.shard);
        case Kind::tell: return tell(action.shard, action.text);
        case Kind::kill:
            // Not 0, which would mean everybody.
            if (const pid_t pid = processes_[action.shard].pid; pid > 0) ::kill(pid, SIGKILL);
            return;
        case Kind::close_doors:
            estate_.sockets.public_sockets.clear();
            estate_.sockets.own_sockets.clear();
            return;
        case Kind::check_config: return start_check(false);
        case Kind::check_program: return start_check(true);
        case Kind::kill_check:
            if (check_.pid > 0) ::kill(check_.pid, SIGKILL);
            return;
        case Kind::run_program: return;
        case Kind::notify: return notification_.tell(action.text, clock_.steady_now());
        case Kind::answer:
            return control_.answer(action.client, action.good, action.text, clock_.steady_now());
        case Kind::end: ended_ = action.good ? kDone : kFailed; return;
    }
}

void Supervisor::fork_shard(ShardIndex shard) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
        return fleet_.exited(shard, false, std::string("has no channel: ") + std::strerror(errno),
                             clock_.steady_now());
    }
    UniqueFd own(ends[0]);
    const UniqueFd its(ends[1]);
    const ShardSetup setup = setup_of(shard, its.get());
    std::vector<int> keep = setup.public_sockets;
    keep.insert(keep.end(),
                {setup.own_socket, setup.peer_socket, setup.channel, estate_.page.fd()});
    if (estate_.directory) keep.push_back(estate_.directory->lock_fd());

    // Before it can be wrong: the child may be quicker than this process.
    shard::ShardCell& cell = estate_.page.shard(shard);
    cell.heartbeat_ns = 0;
    if (cell.started_ns != 0) ++cell.restarts;
    cell.started_ns = std::chrono::nanoseconds(clock_.steady_now().time_since_epoch()).count();
    cell.phase = ShardPhase::starting;

    const std::string name = "ringmaster-" + std::to_string(shard);
    const auto pid = fork_process(name.c_str(), std::move(keep), [&] {
        auto numbers = std::exchange(numbers_, std::nullopt);
        if (shard != 0) numbers.reset();  // it is the first that applies them
        return options_.run_shard(config_, setup, std::move(numbers));
    });
    if (!pid) return fleet_.exited(shard, false, pid.error().message, clock_.steady_now());
    cell.pid = *pid;
    processes_[shard] = {*pid, std::move(own), ""};
}

ShardSetup Supervisor::setup_of(ShardIndex shard, int channel) {
    ShardSetup setup{.index = shard,
                     .public_sockets = {},
                     .own_socket = estate_.sockets.own_sockets[shard].get(),
                     .peer_socket = estate_.sockets.peer_sockets[shard].get(),
                     .peers = {},
                     .channel = channel,
                     .page = &estate_.page,
                     .directory = estate_.directory ? &*estate_.directory : nullptr,
                     .stream = estate_.streams[shard]};
    for (const UniqueFd& socket : estate_.sockets.public_sockets) {
        setup.public_sockets.push_back(socket.get());
    }
    for (const UniqueFd& socket : estate_.sockets.peer_sockets) {
        setup.peers.push_back(local_endpoint(socket.get()));
    }
    return setup;
}

void Supervisor::tell(ShardIndex shard, std::string_view word) {
    const int fd = processes_[shard].channel.get();
    if (fd < 0) return;
    const std::string line = std::string(word) + '\n';
    if (::send(fd, line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size()) ||
        errno == EPIPE || errno == ECONNRESET) {
        return;  // one that has gone is found out when it is reaped
    }
    log_.error("shard " + std::to_string(shard) + " does not listen: it is killed");
    ::kill(processes_[shard].pid, SIGKILL);
}

void Supervisor::listen_to(ShardIndex shard) {
    Process& process = processes_[shard];
    if (process.channel.get() < 0) return;
    std::array<char, kMaxLineBytes> buffer;
    for (;;) {
        const ssize_t got = ::recv(process.channel.get(), buffer.data(), buffer.size(), 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        const SteadyTime now = clock_.steady_now();
        if (got > 0) {
            process.heard.append(buffer.data(), static_cast<std::size_t>(got));
            take_lines(process.heard,
                       [&](std::string_view line) { fleet_.heard(shard, line, now); });
        }
        if (got > 0 && process.heard.size() <= kMaxLineBytes) continue;
        process.channel = UniqueFd();
        return fleet_.hung_up(shard, now);
    }
}

void Supervisor::take_signals() {
    signalfd_siginfo signal{};
    while (::read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
        on_signal(static_cast<int>(signal.ssi_signo));
    }
}

void Supervisor::on_signal(int number) {
    const SteadyTime now = clock_.steady_now();
    switch (number) {
        case SIGCHLD: return reap();
        case SIGUSR1: return reopen_log();
        case SIGHUP: reopen_log(); return fleet_.reload(name_of_signal(number), {}, now);
        case SIGUSR2: return fleet_.restart(name_of_signal(number), {}, now);
        default: return fleet_.stop(name_of_signal(number), {}, now);
    }
}

void Supervisor::reap() {
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid == check_.pid) {
            end_check(status);
            continue;
        }
        const auto process = std::ranges::find(processes_, pid, &Process::pid);
        if (process == processes_.end()) continue;
        const auto shard = static_cast<ShardIndex>(process - processes_.begin());
        listen_to(shard);  // its last words
        *process = {};
        estate_.page.shard(shard).pid = 0;
        const bool orderly = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
        fleet_.exited(shard, orderly, how_ended(status), clock_.steady_now());
    }
}

void Supervisor::reopen_log() {
    if (const auto reopened = log_.reopen(); !reopened) log_.error(reopened.error().message);
    for (ShardIndex i = 0; i < processes_.size(); ++i) tell(i, channel::kReopenLog);
}

void Supervisor::serve_clients() {
    const SteadyTime now = clock_.steady_now();
    for (const auto& [command, client] : control_.turn(now)) {
        const std::string by = "command " + std::string(name_of(command));
        switch (command) {
            case ControlCommand::status:
                control_.answer(client, true, status_table(fleet_.summary(), estate_.page, clock_),
                                now);
                break;
            case ControlCommand::status_json:
                control_.answer(client, true,
                                status_json(::getpid(), fleet_.ready(), estate_.page, clock_), now);
                break;
            case ControlCommand::stop: fleet_.stop(by, client, now); break;
            case ControlCommand::reload: fleet_.reload(by, client, now); break;
            case ControlCommand::restart: fleet_.restart(by, client, now); break;
        }
    }
}

void Supervisor::publish() {
    for (ShardIndex i = 0; i < processes_.size(); ++i) {
        estate_.page.shard(i).phase = fleet_.phase(i);
    }
    notification_.tell_status(fleet_.summary());
}

/// In a process of its own: it reads files, which may be large.
void Supervisor::start_check(bool of_program) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
        log_.error(std::string("the check has no pipe: ") + std::strerror(errno));
        return fleet_.checked(false, clock_.steady_now());
    }
    check_ = {0, UniqueFd(ends[0]), ""};
    const UniqueFd its(ends[1]);
    const UniqueFd handover(of_program ? make_handover_file(hand_over()) : -1);
    std::vector<int> keep = {its.get()};
    if (of_program) {
        keep = hand_over().descriptors();
        keep.insert(keep.end(), {its.get(), handover.get()});
    }
    const auto pid = fork_process("ringmaster-chk", std::move(keep), [&] {
        ::fcntl(its.get(), F_SETFL, 0);  // it waits until what it says is read
        ::dup2(its.get(), STDOUT_FILENO);
        ::dup2(its.get(), STDERR_FILENO);
        return run_check(of_program, handover.get());
    });
    if (pid) {
        check_.pid = *pid;
        return;
    }
    log_.error("the check " + pid.error().message);
    fleet_.checked(false, clock_.steady_now());
}

/// In the check's process. Returns its exit status.
int Supervisor::run_check(bool of_program, int handover_file) {
    if (!of_program) {
        Console console{std::cout, std::cerr};
        const bool good = check_config(config_.file, console, &config_);
        std::cout.flush();
        return good ? kDone : kFailed;
    }
    // So that the new program can tell whether it could take over, before there is no way back.
    set_close_on_exec(hand_over().descriptors(), false);
    set_close_on_exec({handover_file}, false);
    ::setenv(kHandoverVariable, std::to_string(handover_file).c_str(), 1);
    ::execl(options_.program.c_str(), options_.program.c_str(), "check-config", "--config",
            config_.file.c_str(), nullptr);
    std::cerr << options_.program.string() << ": " << std::strerror(errno) << std::endl;
    return kFailed;
}

void Supervisor::read_check() {
    if (check_.output.get() < 0) return;
    std::array<char, 4096> buffer;
    ssize_t got = 0;
    while ((got = ::read(check_.output.get(), buffer.data(), buffer.size())) > 0) {
        const std::size_t room = kMaxCheckBytes - check_.text.size();
        check_.text.append(buffer.data(), std::min(room, static_cast<std::size_t>(got)));
    }
    if (got == 0) check_.output = UniqueFd();
}

void Supervisor::end_check(int wait_status) {
    read_check();
    const bool good = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == EXIT_SUCCESS;
    if (!check_.text.ends_with('\n')) check_.text += '\n';
    take_lines(check_.text, [&](std::string_view line) {
        if (line.empty()) return;
        if (line.starts_with(kWarning)) {
            log_.warning(line.substr(kWarning.size()));
        } else {
            log_.write(good ? LogLevel::info : LogLevel::error, line);
        }
    });
    if (WIFSIGNALED(wait_status)) log_.error("the check " + how_ended(wait_status));
    check_ = {};
    fleet_.checked(good, clock_.steady_now());
}

Handover Supervisor::hand_over() {
    Handover handover{.page = estate_.page.fd(),
                      .lock = {},
                      .control = control_.listening(),
                      .clients = control_.descriptors(fleet_.waiting()),
                      .settings = settings_of_estate(config_),
                      .shards = {}};
    if (estate_.directory) handover.lock = estate_.directory->lock_fd();
    for (ShardIndex i = 0; i < processes_.size(); ++i) {
        const Process& process = processes_[i];
        handover.shards.push_back({.public_socket = estate_.sockets.public_sockets[i].get(),
                                   .own_socket = estate_.sockets.own_sockets[i].get(),
                                   .peer_socket = estate_.sockets.peer_sockets[i].get(),
                                   .channel = process.channel.get(),
                                   .pid = process.pid,
                                   .phase = process.pid == 0 ? ShardPhase::dead : fleet_.phase(i),
                                   .stream = estate_.streams[i],
                                   .heard = process.heard});
    }
    return handover;
}

/// Returns only where that fails; all is as it was then.
void Supervisor::run_program() {
    const std::vector<int> descriptors = hand_over().descriptors();
    const UniqueFd file(make_handover_file(hand_over()));
    log_.info("running " + options_.program.string() + " in the place of this program");
    set_close_on_exec(descriptors, false);
    set_close_on_exec({file.get()}, false);
    ::setenv(kHandoverVariable, std::to_string(file.get()).c_str(), 1);
    ::execl(options_.program.c_str(), options_.program.c_str(), "serve", "--config",
            config_.file.c_str(), nullptr);
    const std::string why = std::strerror(errno);
    ::unsetenv(kHandoverVariable);
    set_close_on_exec(descriptors, true);
    fleet_.program_failed(options_.program.string() + " can't be run: " + why, clock_.steady_now());
}

}  // namespace ringmaster::app
