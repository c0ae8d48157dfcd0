#include "ringmaster/app/daemon_address.hpp"

#include "ringmaster/app/admin_token.hpp"
#include "ringmaster/app/config.hpp"
#include "ringmaster/net/endpoint.hpp"

#include <utility>

namespace ringmaster::app {
namespace {

/// Where something that listens there can be reached from this machine.
Result<AdminAddress> reachable(const net::Endpoint& listen) {
    auto address = parse_admin_url("http://" + net::to_string(listen));
    if (!address) {
        return Error{ErrorCode::invalid,
                     "[server] listen is \"" + net::to_string(listen) +
                         "\": the kernel chooses the port; expected --url with the one chosen"};
    }
    if (address->host == "0.0.0.0") address->host = "127.0.0.1";
    if (address->host == "::") address->host = "::1";
    return address;
}

}  // namespace

Result<AdminAddress> find_daemon(const DaemonOptions& options) {
    Result<AdminAddress> address = AdminAddress();
    if (options.url.empty()) {
        auto config = load_config(options.config);
        if (!config) {
            Error error = std::move(config).error();
            if (error.code == ErrorCode::not_found) {
                error = {ErrorCode::invalid, error.message + "; expected --config or --url"};
            }
            return error;
        }
        address = reachable(config->listen);
        if (address) address->token = std::move(config->admin_token);
    } else {
        address = parse_admin_url(options.url);
    }
    if (!address) return address;

    if (!options.token_file.empty()) {
        auto token = read_admin_token(options.token_file);
        if (!token) return Error{ErrorCode::invalid, token.error().message};
        address->token = *std::move(token);
    } else if (options.environment_token) {
        if (!is_good_admin_token(*options.environment_token)) {
            return Error{ErrorCode::invalid, std::string("RINGMASTER_TOKEN has ") +
                                                 std::to_string(options.environment_token->size()) +
                                                 " bytes; expected " + kGoodAdminToken};
        }
        address->token = *options.environment_token;
    }
    return address;
}

Result<std::filesystem::path> find_run_dir(const std::filesystem::path& config,
                                           const std::filesystem::path& run_dir) {
    if (!run_dir.empty()) return run_dir;
    auto loaded = load_config(config);
    if (loaded) return std::move(loaded->run_dir);
    // A bad configuration is no reason why a daemon could not be stopped.
    return Error{ErrorCode::invalid,
                 loaded.error().message +
                     "\nexpected a good --config, or --run-dir, with which none is read"};
}

}  // namespace ringmaster::app
