#include <algorithm>
#include <chrono>
#include <set>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "redis/servers.hpp"

namespace ringmaster::redis {
namespace {

std::string server_list(const std::vector<std::unique_ptr<RedisServer>>& servers) {
    std::string list;
    for (const auto& server : servers) {
        if (!list.empty()) list += ",";
        list += "127.0.0.1:" + std::to_string(server->port());
    }
    return list;
}

void expect_ok(const std::string& answer) {
    if (answer != "OK") throw std::runtime_error("instead of OK: " + answer);
}

bool is_in_step(const RedisServer& replica) {
    return replica.info("role") == "slave" && replica.info("master_link_status") == "up";
}

/// A line of CLUSTER NODES.
struct NodeLine {
    std::string id;
    std::string flags;
    std::string primary;             ///< id; "-" for a primary
    std::string epoch;               ///< of its configuration: of two the higher counts
    std::vector<std::string> slots;  ///< "1" or "0-5460"

    bool has(unsigned slot) const {
        return std::ranges::any_of(slots, [&](const std::string& range) {
            if (range.starts_with('[')) return false;  // on its way
            const std::size_t dash = range.find('-');
            const unsigned long first = std::stoul(range);
            const unsigned long last =
                dash == range.npos ? first : std::stoul(range.substr(dash + 1));
            return first <= slot && slot <= last;
        });
    }
};

std::vector<NodeLine> node_lines(const RedisServer& server) {
    std::vector<NodeLine> lines;
    std::istringstream in(server.command({"CLUSTER", "NODES"}));
    for (std::string text; std::getline(in, text);) {
        std::istringstream words(text);
        NodeLine line;
        std::string address, ping, pong, link;
        words >> line.id >> address >> line.flags >> line.primary >> ping >> pong >> line.epoch >>
            link;
        for (std::string slot; words >> slot;) line.slots.push_back(slot);
        lines.push_back(std::move(line));
    }
    return lines;
}

/// Id of the node that has the slot in the view of `server`; empty: none has.
std::string owner_id(const RedisServer& server, unsigned slot) {
    for (const NodeLine& line : node_lines(server)) {
        if (line.has(slot)) return line.id;
    }
    return "";
}

/// When nodes are told of each other: a handshake that takes a second is given up, and none of them
/// begins another.
class Introductions {
  public:
    bool are_due() {
        const auto now = std::chrono::steady_clock::now();
        if (now < next_) return false;
        next_ = now + std::chrono::seconds(2);
        return true;
    }

  private:
    std::chrono::steady_clock::time_point next_{};
};

void meet(const RedisServer& node, const RedisServer& other) {
    expect_ok(node.command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(other.port())}));
}

}  // namespace

SentinelSet::SentinelSet(Options options) : options_(std::move(options)) {
    for (int i = 0; i < 3; ++i) {
        RedisServerOptions server{.password = options_.password};
        if (i > 0) {
            server.config = {"replicaof 127.0.0.1 " + std::to_string(servers_[0]->port())};
        }
        servers_.push_back(std::make_unique<RedisServer>(std::move(server)));
    }
    const std::string name = kName;
    for (int i = 0; i < 3; ++i) {
        RedisServerOptions sentinel{.password = options_.sentinel_password, .sentinel = true};
        sentinel.config = {
            "sentinel monitor " + name + " 127.0.0.1 " + std::to_string(servers_[0]->port()) + " 1",
            // One notices first, and the others vote for it: else each often votes for itself.
            "sentinel down-after-milliseconds " + name + " " +
                std::to_string((i + 1) * options_.down_after.count()),
            "sentinel failover-timeout " + name + " 2000"};
        if (!options_.password.empty()) {
            sentinel.config.push_back("sentinel auth-pass " + name + " " + options_.password);
        }
        if (!options_.sentinel_password.empty()) {
            sentinel.config.push_back("sentinel sentinel-pass " + options_.sentinel_password);
        }
        sentinels_.push_back(std::make_unique<RedisServer>(std::move(sentinel)));
        // Else they look for each other and for replicas only every few seconds. But four times
        // PUBLISH-PERIOD must be longer than the second after which the one that replaces a primary
        // looks what has become of it, or another one turns it back before. And five times
        // PING-PERIOD longer than the second between two looks at a replica whose primary is down,
        // or what is known of replicas is often too old to choose one.
        expect_ok(
            sentinels_.back()->command({"SENTINEL", "DEBUG", "INFO-PERIOD", "200", "PUBLISH-PERIOD",
                                        "500", "ASK-PERIOD", "200", "PING-PERIOD", "300"}));
    }
    for (const auto& sentinel : sentinels_) {
        wait_until("sentinels know each other and all servers", [&] {
            const std::string master = sentinel->command({"SENTINEL", "MASTER", name});
            return master.find("\nnum-slaves\n2\n") != master.npos &&
                   master.find("\nnum-other-sentinels\n2\n") != master.npos &&
                   sentinel->command({"SENTINEL", "CKQUORUM", name}).starts_with("OK");
        });
    }
    wait_for_replicas(2);
}

std::string SentinelSet::url() const {
    const std::string password = options_.password.empty() ? "" : ":" + options_.password + "@";
    const std::string more = options_.sentinel_password.empty()
                                 ? ""
                                 : "?sentinel_password=" + options_.sentinel_password;
    return "redis+sentinel://" + password + server_list(sentinels_) + "/" + kName + more;
}

RedisServer* SentinelSet::find_primary() {
    std::string agreed;
    for (const auto& sentinel : sentinels_) {
        if (!sentinel->is_running()) continue;
        const std::string address =
            sentinel->command({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", kName});
        if (!agreed.empty() && address != agreed) return nullptr;
        agreed = address;
    }
    for (const auto& server : servers_) {
        if (agreed == "127.0.0.1\n" + std::to_string(server->port()) + "\n") {
            const bool is_primary = server->is_running() && server->info("role") == "master";
            return is_primary ? server.get() : nullptr;
        }
    }
    return nullptr;
}

RedisServer& SentinelSet::wait_for_primary() {
    RedisServer* primary = nullptr;
    wait_until("a primary", [&] { return (primary = find_primary()) != nullptr; });
    return *primary;
}

RedisServer& SentinelSet::wait_for_primary_other_than(const RedisServer& old) {
    RedisServer* primary = nullptr;
    wait_until("another primary", [&] {
        primary = find_primary();
        return primary != nullptr && primary != &old;
    });
    return *primary;
}

RedisServer& SentinelSet::fail_over() {
    const RedisServer& old = wait_for_primary();
    auto again = std::chrono::steady_clock::now();
    RedisServer* primary = nullptr;
    // It comes to nothing where another sentinel has not got over the last one yet.
    wait_until("another primary", [&] {
        if (std::chrono::steady_clock::now() >= again) {
            sentinels_[0]->command({"SENTINEL", "FAILOVER", kName});
            again += std::chrono::seconds(2);
        }
        primary = find_primary();
        return primary != nullptr && primary != &old;
    });
    return *primary;
}

void SentinelSet::wait_for_replicas(std::size_t count) {
    wait_until("replicas in step", [&] {
        const auto fits = [](const auto& server) {
            return server->is_running() && is_in_step(*server);
        };
        return static_cast<std::size_t>(std::ranges::count_if(servers_, fits)) >= count;
    });
}

RedisCluster::RedisCluster(Options options) : options_(std::move(options)) {
    constexpr unsigned kSlots = 16'384;
    const std::size_t primaries = options_.primaries;
    for (std::size_t i = 0; i < primaries + options_.replicas; ++i) {
        add_node();
        if (i >= primaries) continue;
        expect_ok(nodes_[i]->command({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)}));
        const std::size_t first = i * kSlots / primaries;
        const std::size_t end = (i + 1) * kSlots / primaries;
        expect_ok(nodes_[i]->command(
            {"CLUSTER", "ADDSLOTSRANGE", std::to_string(first), std::to_string(end - 1)}));
    }
    Introductions introductions;
    for (const auto& node : nodes_) {
        wait_until("all nodes know each other", [&] {
            if (introductions.are_due()) {
                for (std::size_t i = 1; i < nodes_.size(); ++i) meet(*nodes_[i], *nodes_[0]);
            }
            const auto lines = node_lines(*node);
            return lines.size() == nodes_.size() && std::ranges::none_of(lines, [](const auto& l) {
                       return l.flags.find("handshake") != l.flags.npos;
                   });
        });
    }
    for (std::size_t i = 0; i < options_.replicas; ++i) {
        expect_ok(nodes_[primaries + i]->command({"CLUSTER", "REPLICATE", ids_[i]}));
    }
    wait_until_ok();
}

std::string RedisCluster::add_node() {
    RedisServerOptions node{.password = options_.password, .config = options_.config};
    node.config.push_back("cluster-enabled yes");
    node.config.push_back("cluster-node-timeout " + std::to_string(options_.node_timeout.count()));
    // Else a primary whose last slot is moved becomes a replica by itself.
    node.config.push_back("cluster-allow-replica-migration no");
    nodes_.push_back(std::make_unique<RedisServer>(std::move(node)));
    ids_.push_back(nodes_.back()->command({"CLUSTER", "MYID"}));
    return ids_.back();
}

std::string RedisCluster::url() const {
    const std::string password = options_.password.empty() ? "" : ":" + options_.password + "@";
    return "redis+cluster://" + password + server_list(nodes_);
}

const RedisServer& RedisCluster::any_running() const {
    for (const auto& node : nodes_) {
        if (node->is_running()) return *node;
    }
    throw std::runtime_error("no node runs");
}

std::size_t RedisCluster::index_of(const std::string& id) const {
    const auto found = std::ranges::find(ids_, id);
    if (found == ids_.end()) throw std::runtime_error("no node has the id: " + id);
    return static_cast<std::size_t>(found - ids_.begin());
}

std::size_t RedisCluster::owner(unsigned slot) const {
    return index_of(owner_id(any_running(), slot));
}

std::size_t RedisCluster::replica_of(std::size_t primary) const {
    for (const NodeLine& line : node_lines(any_running())) {
        if (line.primary != ids_.at(primary)) continue;
        const std::size_t index = index_of(line.id);
        if (nodes_[index]->is_running()) return index;
    }
    throw std::runtime_error("no replica runs");
}

void RedisCluster::move_slot(unsigned slot, std::size_t to) {
    begin_move(slot, to);
    while (move_keys(slot, to, 100) > 0) {
    }
    end_move(slot, to);
}

// Changes that follow each other faster than nodes hear of them can get the same epoch; and when
// that is sorted out, a node takes a slot back, and another one drops the keys that it has got.
void RedisCluster::begin_move(unsigned slot, std::size_t to) {
    wait_until_ok();
    const std::size_t from = owner(slot);
    const std::string number = std::to_string(slot);
    expect_ok(node(to).command({"CLUSTER", "SETSLOT", number, "IMPORTING", ids_[from]}));
    expect_ok(node(from).command({"CLUSTER", "SETSLOT", number, "MIGRATING", ids_[to]}));
}

std::size_t RedisCluster::move_keys(unsigned slot, std::size_t to, std::size_t most) {
    RedisServer& from = node(owner(slot));
    std::istringstream keys(
        from.command({"CLUSTER", "GETKEYSINSLOT", std::to_string(slot), std::to_string(most)}));
    Words migrate{"MIGRATE", "127.0.0.1", std::to_string(node(to).port()), "", "0", "5000"};
    if (!options_.password.empty()) migrate.insert(migrate.end(), {"AUTH", options_.password});
    migrate.push_back("KEYS");
    const std::size_t words = migrate.size();
    for (std::string key; std::getline(keys, key);) migrate.push_back(key);
    if (migrate.size() == words) return 0;
    const std::string answer = from.command(migrate);
    if (answer != "OK" && answer != "NOKEY") throw std::runtime_error("MIGRATE: " + answer);
    return migrate.size() - words;
}

void RedisCluster::end_move(unsigned slot, std::size_t to) {
    const std::size_t from = owner(slot);
    const Words words{"CLUSTER", "SETSLOT", std::to_string(slot), "NODE", ids_.at(to)};
    // The new owner first: then at no time nobody has it.
    expect_ok(node(to).command(words));
    expect_ok(node(from).command(words));
    for (const auto& node : nodes_) {
        if (!node->is_running() || node->info("role") != "master") continue;
        expect_ok(node->command(words));
    }
}

void RedisCluster::wait_until_ok() const {
    wait_until("cluster_state:ok everywhere", [&] {
        std::string agreed;
        for (const auto& node : nodes_) {
            if (!node->is_running()) continue;
            if (node->command({"CLUSTER", "INFO"}).find("cluster_state:ok") == std::string::npos) {
                return false;
            }
            std::vector<std::string> view;
            std::set<std::string> epochs;
            for (const NodeLine& line : node_lines(*node)) {
                if (line.primary == "-" && !epochs.insert(line.epoch).second) return false;
                std::string text = line.id + " " + line.primary + " " + line.epoch;
                for (const std::string& range : line.slots) {
                    if (!range.starts_with('[')) text += " " + range;
                }
                view.push_back(std::move(text));
            }
            std::ranges::sort(view);
            std::string all;
            for (const std::string& text : view) all += text + "\n";
            if (!agreed.empty() && all != agreed) return false;
            agreed = all;
        }
        return std::ranges::all_of(nodes_, [](const auto& node) {
            return !node->is_running() || node->info("role") == "master" || is_in_step(*node);
        });
    });
}

std::size_t RedisCluster::wait_for_owner_other_than(unsigned slot, std::size_t old) const {
    std::size_t now = old;
    wait_until("another owner of the slot", [&] {
        std::string agreed;
        for (const auto& node : nodes_) {
            if (!node->is_running()) continue;
            const std::string id = owner_id(*node, slot);
            if (id.empty() || id == ids_.at(old) || (!agreed.empty() && id != agreed)) return false;
            agreed = id;
        }
        now = index_of(agreed);
        return true;
    });
    return now;
}

std::size_t RedisCluster::add_primary() {
    const std::string id = add_node();
    const RedisServer& known = any_running();
    Introductions introductions;
    for (const auto& node : nodes_) {
        if (!node->is_running()) continue;
        wait_until("the new node is known", [&] {
            if (introductions.are_due()) meet(*nodes_.back(), known);
            const auto lines = node_lines(*node);
            return std::ranges::any_of(lines, [&](const NodeLine& line) {
                return line.id == id && line.flags.find("handshake") == line.flags.npos;
            });
        });
    }
    return nodes_.size() - 1;
}

void RedisCluster::remove_last() {
    nodes_.back()->kill();
    for (const auto& node : nodes_) {
        if (node->is_running()) expect_ok(node->command({"CLUSTER", "FORGET", ids_.back()}));
    }
    nodes_.pop_back();
    ids_.pop_back();
}

}  // namespace ringmaster::redis
