#include "number_claims.hpp"

#include "ringmaster/redis_store/number_record.hpp"

#include <algorithm>
#include <optional>

namespace ringmaster::redis_store {

namespace {

constexpr std::size_t kNumbersAtOnce = 1000;  ///< in one call of a function
constexpr std::size_t kCallsAtOnce = 8;

constexpr std::string_view kIsOverflow = "*overflow ";

/// Makes one call for each portion of the numbers, some of them side by side.
template <class Begin, class End>
Result<void> call_in_portions(FunctionCaller& functions, std::size_t numbers, Begin&& begin,
                              End&& end) {
    std::vector<FunctionCall> calls;
    std::vector<std::size_t> starts;
    for (std::size_t at = 0; at < numbers; at += kNumbersAtOnce) {
        starts.push_back(at);
        calls.push_back(begin(at, std::min(kNumbersAtOnce, numbers - at)));
        if (calls.size() < kCallsAtOnce && at + kNumbersAtOnce < numbers) continue;
        functions.call(calls, functions.deadline());
        for (std::size_t i = 0; i < calls.size(); ++i) {
            if (!calls[i].answer) return calls[i].answer.error();
            if (calls[i].answer->type != redis::Reply::Type::array) {
                return unexpected_answer(calls[i].function);
            }
            if (auto done = end(starts[i], *calls[i].answer); !done) return done;
        }
        calls.clear();
        starts.clear();
    }
    return {};
}

}  // namespace

std::optional<ClaimEntry> ClaimEntry::parse(std::string_view entry) {
    std::vector<std::string> words;
    while (!entry.empty()) {
        const auto end = std::min(entry.find(' '), entry.size());
        words.emplace_back(entry.substr(0, end));
        entry.remove_prefix(std::min(end + 1, entry.size()));
    }
    if (words.size() < 2) return std::nullopt;
    ClaimEntry result;
    result.claim = std::move(words[0]);
    if (words[1] != kNoPool) result.first = std::move(words[1]);
    words.erase(words.begin(), words.begin() + 2);
    result.others = std::move(words);
    return result;
}

Result<std::vector<PoolWord>> ask_pool(FunctionCaller& functions, const std::string& pool,
                                       bool gives, std::span<const std::string> numbers) {
    std::vector<PoolWord> words(numbers.size());
    const auto question = [&](std::size_t first, std::size_t count) {
        FunctionCall call{"give_up", pool, {gives ? "1" : "0"}};
        const auto some = numbers.subspan(first, count);
        call.arguments.insert(call.arguments.end(), some.begin(), some.end());
        return call;
    };
    const auto answer = [&](std::size_t first, const redis::Reply& reply) -> Result<void> {
        if (reply.elements.size() != std::min(kNumbersAtOnce, numbers.size() - first)) {
            return unexpected_answer("give_up");
        }
        for (std::size_t i = 0; i < reply.elements.size(); ++i) {
            const std::string& text = reply.elements[i].text;
            PoolWord& word = words[first + i];
            if (text == "M") {
                word.kind = PoolWord::Kind::has_it;
            } else if (text == "D") {
                word.kind = PoolWord::Kind::drains_it;
            } else if (text != "-") {
                word.knowledge = text;
            }
        }
        return {};
    };
    if (auto done = call_in_portions(functions, numbers.size(), question, answer); !done) {
        return done.error();
    }
    return words;
}

NumberClaims::NumberClaims(FunctionCaller& functions, std::string pool)
    : functions_(functions), pool_(std::move(pool)) {}

std::string_view NumberClaims::knowledge(const std::string& number) const noexcept {
    const auto found = knowledge_.find(number);
    return found == knowledge_.end() ? std::string_view() : std::string_view(found->second);
}

Result<bool> NumberClaims::claim(std::span<const std::string> numbers) {
    std::vector<std::vector<std::string>> unclaimed;
    if (auto done = claim_all(numbers, unclaimed); !done) return done.error();
    if (auto done = ask(); !done) return done.error();
    if (!refused_.empty()) return true;
    auto taken = take();
    if (!taken || !*taken) return taken;
    return claim_rest(unclaimed);
}

// Of each portion all numbers are claimed, or none: those are left in `unclaimed`.
Result<void> NumberClaims::claim_all(std::span<const std::string> numbers,
                                     std::vector<std::vector<std::string>>& unclaimed) {
    return call_in_portions(
        functions_, numbers.size(),
        [&](std::size_t first, std::size_t count) {
            FunctionCall call{"claim", {}, {pool_}};
            const auto some = numbers.subspan(first, count);
            call.arguments.insert(call.arguments.end(), some.begin(), some.end());
            return call;
        },
        [&](std::size_t first, const redis::Reply& reply) -> Result<void> {
            bool as_expected = true;
            if (auto noted = note(reply, false, as_expected); !noted) return noted;
            if (reply.elements[0].integer == 0) {
                const auto some =
                    numbers.subspan(first, std::min(kNumbersAtOnce, numbers.size() - first));
                unclaimed.emplace_back(some.begin(), some.end());
            }
            return {};
        });
}

// What rm1_claim has said; the first time to find out whom to ask, and `again` to see whether
// nobody has claimed any of it meanwhile.
Result<void> NumberClaims::note(const redis::Reply& answer, bool again, bool& as_expected) {
    if (answer.elements.size() % 2 == 0) return unexpected_answer("claim");
    for (std::size_t i = 1; i < answer.elements.size(); i += 2) {
        const std::string& number = answer.elements[i].text;
        const std::string& text = answer.elements[i + 1].text;
        if (text.starts_with(kIsOverflow)) {
            refused_[number] = Taken{true, text.substr(kIsOverflow.size())};
            as_expected = false;
            continue;
        }
        const auto entry = ClaimEntry::parse(text);
        if (!entry) return unexpected_answer("claim");
        if (again) {
            const auto expected = expected_.find(number);
            as_expected &= expected != expected_.end() && expected->second == entry->claim;
            continue;
        }
        expected_[number] = entry->claim;
        const auto put_question = [&](const std::string& pool, bool may_have_it) {
            Question& question = questions_[{pool, may_have_it}];
            question.numbers.push_back(number);
            question.claims.push_back(entry->claim);
        };
        if (!entry->first.empty() && entry->first != pool_) put_question(entry->first, true);
        for (const std::string& other : entry->others) {
            if (other != pool_) put_question(other, false);
        }
    }
    return {};
}

Result<void> NumberClaims::ask() {
    for (const auto& [whom, question] : questions_) {
        const auto& [pool, may_have_it] = whom;
        auto words = ask_pool(functions_, pool, may_have_it, question.numbers);
        if (!words) return words.error();
        for (std::size_t i = 0; i < words->size(); ++i) {
            const std::string& number = question.numbers[i];
            PoolWord& word = (*words)[i];
            if (word.kind != PoolWord::Kind::gone) {
                refused_.try_emplace(number,
                                     Taken{false, pool, word.kind == PoolWord::Kind::drains_it});
                continue;
            }
            if (word.knowledge.empty()) continue;
            // Of several, what was touched last; it has waited for what the others promised.
            const auto told = NumberRecord::decode(word.knowledge);
            if (!told) return unexpected_answer("give_up");
            std::string& known = knowledge_[number];
            const auto before = NumberRecord::decode(known);
            if (!before || before->last_touch < told->last_touch) known = std::move(word.knowledge);
        }
    }
    return {};
}

Result<bool> NumberClaims::take() {
    bool all = true;
    for (const auto& entry : questions_) {
        if (!entry.first.second) continue;
        const auto& question = entry.second;
        auto done = call_in_portions(
            functions_, question.numbers.size(),
            [&](std::size_t first, std::size_t count) {
                FunctionCall call{"take", {}, {pool_}};
                for (std::size_t i = first; i < first + count; ++i) {
                    call.arguments.push_back(question.numbers[i]);
                    call.arguments.push_back(question.claims[i]);
                }
                return call;
            },
            [&](std::size_t first, const redis::Reply& reply) -> Result<void> {
                if (reply.elements.size() != 2) return unexpected_answer("take");
                all &= reply.elements[1].elements.empty();
                const std::size_t end = std::min(first + kNumbersAtOnce, question.numbers.size());
                for (std::size_t i = first; i < end; ++i) {
                    expected_[question.numbers[i]] = reply.elements[0].text;
                }
                return {};
            });
        if (!done) return done.error();
    }
    return all;
}

Result<bool> NumberClaims::claim_rest(std::span<const std::vector<std::string>> unclaimed) {
    bool as_expected = true;
    for (const auto& numbers : unclaimed) {
        FunctionCall call{"claim", {}, {pool_}};
        call.arguments.insert(call.arguments.end(), numbers.begin(), numbers.end());
        const auto reply = functions_.call(std::move(call));
        if (!reply) return reply.error();
        if (auto noted = note(*reply, true, as_expected); !noted) return noted.error();
        as_expected &= reply->elements[0].integer == 1;
    }
    return as_expected;
}

}  // namespace ringmaster::redis_store
