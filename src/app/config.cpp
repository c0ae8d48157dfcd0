#include "ringmaster/app/config.hpp"

#include "ringmaster/app/admin_token.hpp"
#include "ringmaster/app/printable.hpp"
#include "ringmaster/app/read_file.hpp"
#include "ringmaster/ringpool/number_import.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <string_view>
#include <sys/un.h>
#include <unordered_map>
#include <utility>

#include "config_sections.hpp"
#include <toml++/toml.h>

namespace ringmaster::app {
namespace {

constexpr std::size_t kMaxFileBytes = 16 * 1024 * 1024;
constexpr std::size_t kMaxUrlFileBytes = 16 * 1024;

/// Of a path that is the address of a Unix socket, without the zero at its end.
constexpr std::size_t kMaxUnixPathBytes = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::string_view kLongestSocketName = "/shard-255.sock";
constexpr std::size_t kMaxRunDirBytes = kMaxUnixPathBytes - kLongestSocketName.size();

/// How many letters must be inserted, deleted, changed or swapped with their neighbour to make one
/// word the other (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t changed = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, changed});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
        std::swap(before, last);
        std::swap(last, row);
    }
    return last[b.size()];
}

template <class Named>
std::vector<std::string_view> names_of(const std::vector<Named>& all) {
    std::vector<std::string_view> names;
    names.reserve(all.size());
    for (const Named& one : all) names.push_back(one.name);
    return names;
}

/// What to tell of an unknown word: which was probably meant, or else which there are.
std::string suggestion(std::string_view word, const std::vector<std::string_view>& known,
                       const std::function<std::string(std::string_view)>& show) {
    // A third of the letters may differ, but never all of them.
    std::size_t bound = std::min(std::max<std::size_t>(3, word.size() / 3 + 1), word.size());
    std::string best;
    std::string all;
    for (const std::string_view one : known) {
        all += (all.empty() ? "" : ", ") + show(one);
        const std::size_t distance = edit_distance(word.substr(0, 64), one);
        if (distance >= bound) continue;
        best = show(one);
        bound = distance;
    }
    return best.empty() ? "expected one of " + all : "did you mean " + best + "?";
}

std::string label(std::string_view section) {
    return section == "pool" ? "[[pool]]" : "[" + std::string(section) + "]";
}

/// Reads one file; keeps all that is wrong with it.
class ConfigReader {
  public:
    explicit ConfigReader(const std::filesystem::path& file)
        : file_(file), base_(file.parent_path()) {}

    Result<Config> read(std::string_view text);

  private:
    void read_section(const Section& section, const toml::table& table);
    void read_token_file(const toml::table& root);
    void read_redis_url_file(const toml::table& root);
    void check_run_dir(const toml::table& root);
    void check_cooldowns(const toml::table& root);
    void read_pools(const toml::node& node);
    void read_pool(const toml::table& table);
    void check_overflow_number(const toml::table& table, const std::string& text,
                               ringpool::PoolDefinition& pool);
    std::vector<Section>::const_iterator section_with(std::string_view key) const;
    void unknown_key(const Section& section, const toml::key& key);
    void unknown_section(const toml::key& key, const toml::node& node);

    void problem(const toml::source_position& at, std::string text) {
        problems_.push_back({at, std::move(text)});
    }
    Error syntax_error(const toml::parse_error& error, std::string_view text) const;
    Error all_problems();
    std::string place(const toml::source_position& at) const {
        return file_.string() + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
               ": ";
    }

    struct Problem {
        toml::source_position at;
        std::string text;
    };
    std::filesystem::path file_;
    std::filesystem::path base_;
    Config config_;
    std::vector<Section> sections_ = config_sections(config_, base_);
    std::unordered_map<std::string, toml::source_index> line_of_pool_;
    std::vector<Problem> problems_;
};

Result<Config> ConfigReader::read(std::string_view text) {
    toml::table root;
    try {
        root = toml::parse(text);
    } catch (const toml::parse_error& error) {
        return syntax_error(error, text);
    }
    for (const auto& [key, node] : root) {
        const auto section = std::ranges::find(sections_, key.str(), &Section::name);
        if (key == "pool") {
            read_pools(node);
        } else if (section == sections_.end()) {
            unknown_section(key, node);
        } else if (const auto* table = node.as_table()) {
            read_section(*section, *table);
        } else {
            problem(key.source().begin, std::string(key.str()) + " is " + shown(node) +
                                            "; expected a section " + label(section->name));
        }
    }
    read_token_file(root);
    read_redis_url_file(root);
    check_run_dir(root);
    check_cooldowns(root);
    if (!problems_.empty()) return all_problems();
    for (const Section& section : sections_) {
        for (const Key& key : section.keys) {
            config_.settings.push_back(
                {label(section.name) + " " + std::string(key.name), key.value()});
        }
    }
    config_.file = file_;
    return std::move(config_);
}

/// So that the token need not stand in the configuration itself.
void ConfigReader::read_token_file(const toml::table& root) {
    const toml::node* node = root["admin"]["token_file"].node();
    if (node == nullptr || config_.admin_token_file.empty()) return;
    const auto tell = [&](const std::string& what) {
        problem(node->source().begin, "[admin] token_file is " + shown(*node) + what);
    };
    if (!config_.admin_token.empty()) return tell(", and there is a token; expected one of both");
    auto token = read_admin_token(config_.admin_token_file);
    if (!token) return tell(": " + token.error().message);
    config_.admin_token = *std::move(token);
}

/// Likewise for the password in the URL.
void ConfigReader::read_redis_url_file(const toml::table& root) {
    const toml::node* node = root["redis"]["url_file"].node();
    if (node == nullptr || config_.redis.url_file.empty()) return;
    const auto tell = [&](const std::string& what) {
        problem(node->source().begin, "[redis] url_file is " + shown(*node) + what);
    };
    if (!config_.redis.url.empty()) return tell(", and there is a url; expected one of both");
    auto text = read_file(config_.redis.url_file, kMaxUrlFileBytes);
    if (!text) return tell(": " + text.error().message);
    const std::string url = text->substr(0, text->find_first_of("\r\n"));
    if (url.empty() || !config_.redis.set_url(url)) {
        tell(", whose first line is no such URL; expected " + std::string(kGoodRedisUrl));
    }
}

void ConfigReader::check_run_dir(const toml::table& root) {
    const std::string path = config_.run_dir.string();
    if (path.size() <= kMaxRunDirBytes) return;
    const toml::node* node = root["server"]["run_dir"].node();
    problem(node != nullptr ? node->source().begin : toml::source_position{1, 1},
            "[server] run_dir is \"" + printable(path) + "\", which has " +
                std::to_string(path.size()) + " bytes; expected a path of at most " +
                std::to_string(kMaxRunDirBytes) +
                ", for those of Unix sockets are no longer than " +
                std::to_string(kMaxUnixPathBytes));
}

void ConfigReader::check_cooldowns(const toml::table& root) {
    const auto check = [&](const char* section, const flow::EaseInGateOptions& gate) {
        if (gate.min_cooldown <= gate.max_cooldown) return;
        const auto keys = root[section];
        const toml::node* node = keys["min_cooldown_ms"].node();
        if (node == nullptr) node = keys["max_cooldown_ms"].node();
        problem(node->source().begin, label(section) + " min_cooldown_ms is " +
                                          std::to_string(gate.min_cooldown.count()) +
                                          "; expected no more than max_cooldown_ms, which is " +
                                          std::to_string(gate.max_cooldown.count()));
    };
    check("peers", config_.peers.gate);
    check("redis", config_.redis.gate);
}

void ConfigReader::read_section(const Section& section, const toml::table& table) {
    for (const auto& [name, node] : table) {
        const auto key = std::ranges::find(section.keys, name.str(), &Key::name);
        if (key == section.keys.end()) {
            unknown_key(section, name);
        } else if (!key->set(node)) {
            problem(node.source().begin, label(section.name) + " " + std::string(key->name) +
                                             " is " +
                                             (key->secret ? shown_secret(node) : shown(node)) +
                                             "; expected " + key->expected);
        }
    }
    for (const Key& key : section.keys) {
        if (!key.required || table.contains(key.name)) continue;
        problem(table.source().begin, label(section.name) + " has no " + std::string(key.name) +
                                          "; expected " + key.expected);
    }
}

void ConfigReader::read_pools(const toml::node& node) {
    const auto* pools = node.as_array();
    if (pools == nullptr) {
        problem(node.source().begin,
                "pool is " + shown(node) + "; expected [[pool]] for each pool");
        return;
    }
    for (const toml::node& pool : *pools) {
        if (const auto* table = pool.as_table()) {
            read_pool(*table);
        } else {
            problem(pool.source().begin, "a pool is " + shown(pool) + "; expected [[pool]]");
        }
    }
}

void ConfigReader::read_pool(const toml::table& table) {
    PoolConfig& pool = config_.pools.emplace_back();
    std::string overflow_number;
    read_section(pool_section(pool, overflow_number, base_), table);
    check_overflow_number(table, overflow_number, pool.definition);

    const std::string& id = pool.definition.id;
    const auto [other, is_new] = line_of_pool_.try_emplace(id, table.source().begin.line);
    if (!is_new && !id.empty()) {
        problem(table["id"].node()->source().begin,
                "[[pool]] id is \"" + printable(id) + "\", as that of the pool at line " +
                    std::to_string(other->second) + "; expected another");
    }
}

void ConfigReader::check_overflow_number(const toml::table& table, const std::string& text,
                                         ringpool::PoolDefinition& pool) {
    const toml::node* node = table.get("overflow_number");
    if (node == nullptr) {
        if (pool.allow_overflow) {
            problem(table.source().begin,
                    "[[pool]] has no overflow_number; expected one, or allow_overflow = false");
        }
        return;
    }
    if (text.empty() || pool.default_region.empty()) return;  // told already
    const auto number = ringpool::import_number(text, pool.default_region);
    if (number) {
        pool.overflow = *number;
    } else {
        problem(node->source().begin, "[[pool]] overflow_number is " + shown(*node) + ": " +
                                          number.error().message + "; expected a telephone number");
    }
}

std::vector<Section>::const_iterator ConfigReader::section_with(std::string_view key) const {
    return std::ranges::find_if(sections_, [&](const Section& section) {
        return std::ranges::find(section.keys, key, &Key::name) != section.keys.end();
    });
}

void ConfigReader::unknown_key(const Section& section, const toml::key& key) {
    std::string text = label(section.name) + " has no key " + printable(key.str(), 64) + "; ";
    const auto elsewhere = section_with(key.str());
    if (elsewhere != sections_.end()) {
        text += "it belongs to " + label(elsewhere->name);
    } else {
        text += suggestion(key.str(), names_of(section.keys),
                           [](std::string_view name) { return std::string(name); });
    }
    problem(key.source().begin, std::move(text));
}

void ConfigReader::unknown_section(const toml::key& key, const toml::node& node) {
    const auto owner = section_with(key.str());
    if (owner != sections_.end() && !node.is_table() && !node.is_array_of_tables()) {
        problem(key.source().begin, std::string(key.str()) +
                                        " stands outside of the sections; it belongs to " +
                                        label(owner->name));
        return;
    }
    auto known = names_of(sections_);
    known.push_back("pool");
    problem(key.source().begin, "there is no section " + printable(key.str(), 64) + "; " +
                                    suggestion(key.str(), known, label));
}

/// The parser may quote what it stumbled over, and that may be a secret without its quotes.
Error ConfigReader::syntax_error(const toml::parse_error& error, std::string_view text) const {
    const auto at = error.source().begin;
    std::string_view line = text;
    for (toml::source_index i = 1; i < at.line; ++i) line.remove_prefix(line.find('\n') + 1);
    line = line.substr(0, line.find('\n'));

    std::string_view reason = error.description();
    if (line.find("key") != line.npos || line.find("token") != line.npos)
        reason = reason.substr(0, reason.find('\''));
    return {ErrorCode::invalid, place(at) + "not TOML: " + printable(reason)};
}

Error ConfigReader::all_problems() {
    std::ranges::stable_sort(problems_, {},
                             [](const Problem& p) { return std::pair(p.at.line, p.at.column); });
    std::string text;
    for (const Problem& p : problems_) {
        text.append(text.empty() ? "" : "\n").append(place(p.at)).append(p.text);
    }
    return {ErrorCode::invalid, std::move(text)};
}

}  // namespace

Result<Config> load_config(const std::filesystem::path& file) {
    auto text = read_file(file, kMaxFileBytes);
    if (!text) return text.error();
    return ConfigReader(file).read(*text);
}

std::string different_settings(const Config& one, const Config& other) {
    std::string names;
    for (std::size_t i = 0; i < one.settings.size(); ++i) {
        if (one.settings[i] == other.settings[i]) continue;
        names.append(names.empty() ? "" : ", ") += one.settings[i].name;
    }
    return names;
}

}  // namespace ringmaster::app
