#include "ringmaster/app/number_files.hpp"

#include "ringmaster/app/printable.hpp"
#include "ringmaster/app/read_file.hpp"
#include "ringmaster/ringpool/number_import.hpp"

#include <unordered_map>
#include <utility>

namespace ringmaster::app {
namespace {

using ringpool::PhoneNumber;
using ringpool::PoolNumber;

constexpr std::size_t kMaxFileBytes = 512 * 1024 * 1024;
constexpr std::size_t kMaxToldPerFile = 20;

/// Which pool a number belongs to.
using Owners = std::unordered_map<PhoneNumber, const ringpool::PoolDefinition*>;

/// Tells what is refused of one file.
class Refusals {
  public:
    Refusals(std::string file, NumberFiles& result) : file_(std::move(file)), result_(result) {}
    ~Refusals() {
        result_.refused += count_;
        if (count_ <= kMaxToldPerFile) return;
        result_.warnings.push_back(file_ + ": " + std::to_string(count_ - kMaxToldPerFile) +
                                   " more are refused");
    }
    Refusals(const Refusals&) = delete;
    Refusals& operator=(const Refusals&) = delete;

    void add(const std::string& what) {
        if (++count_ <= kMaxToldPerFile) result_.warnings.push_back(file_ + what);
    }

  private:
    std::string file_;
    NumberFiles& result_;
    std::size_t count_ = 0;
};

/// Why a number can't be one of `pool`, or nothing.
std::string why_taken(PhoneNumber number, const ringpool::PoolDefinition& pool,
                      const Owners& overflows, Owners& owners) {
    if (const auto overflow = overflows.find(number); overflow != overflows.end()) {
        return "it is the overflow number of pool '" + overflow->second->id + "'";
    }
    const auto [owner, is_free] = owners.try_emplace(number, &pool);
    return is_free ? "" : "it is in pool '" + owner->second->id + "' already";
}

std::vector<PoolNumber> read_numbers(const PoolConfig& pool, const Owners& overflows,
                                     Owners& owners, NumberFiles& result) {
    const std::string name = "pool '" + pool.definition.id + "': ";
    const std::string file = printable(pool.numbers_file.string());
    const auto text = read_file(pool.numbers_file, kMaxFileBytes);
    if (!text) {
        result.problems.push_back(name + text.error().message);
        return {};
    }
    auto import = ringpool::import_numbers(*text, pool.definition.default_region);
    if (!import) {
        result.problems.push_back(name + file + ": " + import.error().message);
        return {};
    }
    Refusals refusals(file, result);
    for (const auto& line : import->refused) {
        refusals.add(":" + std::to_string(line.line) + ": " + printable(line.text) + ": " +
                     printable(line.reason));
    }
    std::vector<PoolNumber> numbers;
    numbers.reserve(import->numbers.size());
    for (std::size_t i = 0; i < import->numbers.size(); ++i) {
        const PoolNumber& number = import->numbers[i];
        const std::string why = why_taken(number.number, pool.definition, overflows, owners);
        if (why.empty()) {
            numbers.push_back(number);
        } else {
            refusals.add(":" + std::to_string(import->lines[i]) + ": " + number.number.e164() +
                         ": " + why);
        }
    }
    if (numbers.empty()) result.problems.push_back(name + file + " has no good number");
    return numbers;
}

}  // namespace

NumberFiles read_number_files(const std::vector<PoolConfig>& pools) {
    Owners overflows;
    for (const PoolConfig& pool : pools) {
        const PhoneNumber number = pool.definition.overflow.number;
        if (number) overflows.try_emplace(number, &pool.definition);
    }
    NumberFiles result;
    Owners owners;
    for (const PoolConfig& pool : pools) {
        auto& numbers = result.pools.emplace_back();
        if (pool.numbers_file.empty()) continue;
        numbers = read_numbers(pool, overflows, owners, result);
        result.numbers += numbers->size();
    }
    return result;
}

}  // namespace ringmaster::app
