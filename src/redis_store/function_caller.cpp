#include "ringmaster/redis_store/function_caller.hpp"

#include "ringmaster/redis/command.hpp"
#include "ringmaster/redis_store/function_library.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace ringmaster::redis_store {
namespace {

// What the functions themselves answer, and callers know what to do about.
constexpr std::array<std::string_view, 5> kOwnErrors = {"NOPOOL", "EPOCH", "STALE", "FULL",
                                                        "TOOMANY"};

bool is_missing(const Result<redis::Reply>& answer) {
    return answer && answer->is_error() && answer->text.starts_with("ERR Function not found");
}

}  // namespace

Error unexpected_answer(std::string_view function) {
    return {ErrorCode::unavailable,
            "Redis has answered rm1_" + std::string(function) + " with something else"};
}

FunctionCaller::FunctionCaller(runtime::Scheduler& scheduler, redis::Client& client,
                               FunctionCallerOptions options)
    : scheduler_(scheduler),
      client_(client),
      options_(std::move(options)),
      registry_(options_.prefix) {}

Deadline FunctionCaller::deadline() const {
    return Deadline::at(scheduler_.now() + options_.timeout);
}

Result<redis::Reply> FunctionCaller::call(FunctionCall one) {
    call({&one, 1}, deadline());
    return std::move(one.answer);
}

void FunctionCaller::call(std::span<FunctionCall> calls, Deadline deadline) {
    std::vector<FunctionCall*> wanted;
    wanted.reserve(calls.size());
    for (FunctionCall& each : calls) wanted.push_back(&each);
    call_some(wanted, deadline);

    std::erase_if(wanted, [](const FunctionCall* each) { return !is_missing(each->answer); });
    if (!wanted.empty()) {
        const auto loaded = load_function_library(client_, deadline);
        if (loaded) call_some(wanted, deadline);
        for (FunctionCall* const each : wanted) {
            if (!loaded) each->answer = loaded.error();
        }
    }
    for (FunctionCall& each : calls) {
        if (!each.answer || !each.answer->is_error()) continue;
        const redis::Reply& error = *each.answer;
        if (std::ranges::any_of(kOwnErrors, [&](auto code) { return error.is_error(code); })) {
            continue;
        }
        each.answer = Error{ErrorCode::unavailable, "Redis says: " + error.text};
    }
}

void FunctionCaller::call_some(std::span<FunctionCall* const> calls, Deadline deadline) {
    std::vector<redis::Command> commands(calls.size());
    std::vector<redis::Call> sent(calls.size());
    std::vector<std::string> keys(calls.size());
    for (std::size_t i = 0; i < calls.size(); ++i) {
        const FunctionCall& each = *calls[i];
        redis::Command& command = commands[i];
        const auto add_all = [&](const auto& all) {
            command.start(3 + all.size() + each.arguments.size());
            command.add("FCALL").add("rm1_" + each.function).add(all.size());
            for (const std::string_view key : all) command.add(key);
            keys[i] = all.front();
        };
        if (each.pool.empty()) {
            add_all(registry_.all());
        } else {
            add_all(PoolKeys(options_.prefix, each.pool).all());
        }
        for (const std::string& argument : each.arguments) command.add(argument);
        sent[i].key = keys[i];
        sent[i].command = command.bytes();
        sent[i].repeatable = each.repeatable;
    }
    const bool changes =
        std::ranges::any_of(calls, [](const FunctionCall* each) { return !each->reads_only; });
    if (changes && options_.replicas > 0) {
        client_.call_durably(sent, options_.replicas, deadline);
    } else {
        client_.call(sent, deadline);
    }
    for (std::size_t i = 0; i < calls.size(); ++i) calls[i]->answer = std::move(sent[i].answer);
}

}  // namespace ringmaster::redis_store
