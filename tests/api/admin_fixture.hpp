#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/hold_history.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmaster::api {

/// "Authorization: Bearer t0ken", what the tests' administrator sends.
inline constexpr std::string_view kToken = "t0ken";
inline constexpr std::string_view kAuthorization = "Authorization: Bearer t0ken\r\n";

/// Answers what it is told to, and remembers what it was asked.
class FakeHistory final : public ringpool::HoldHistory {
  public:
    Result<std::vector<ringpool::Hold>> holders(ringpool::PhoneNumber number,
                                                std::optional<WallTime> at, std::size_t max,
                                                Deadline deadline) override {
        last_deadline = deadline;
        asked.push_back(number.e164() + " " +
                        (at ? std::to_string(at->time_since_epoch().count()) : std::string("now")) +
                        " " + std::to_string(max));
        return answer;
    }
    Result<std::size_t> erase(std::string_view session_id) override {
        asked.push_back("erase '" + std::string(session_id) + "'");
        return erased;
    }

    Result<std::vector<ringpool::Hold>> answer{std::vector<ringpool::Hold>()};
    Result<std::size_t> erased{std::size_t{0}};
    std::vector<std::string> asked;
    Deadline last_deadline;
};

/// Puts pools into a catalog as the store does; of numbers it answers what it is told to. Remembers
/// what it was asked.
class FakePools final : public ringpool::PoolAdministration {
  public:
    explicit FakePools(ringpool::Catalog& catalog) : catalog_(catalog) {}

    Result<bool> put_pool(ringpool::PoolDefinition definition) override {
        if (auto error = note("put " + definition.id)) return *error;
        const bool is_new = !catalog_.find(definition.id);
        if (auto put = catalog_.put(std::move(definition)); !put) return put.error();
        return is_new;
    }
    Result<void> remove_pool(std::string_view id) override {
        if (auto error = note("remove " + std::string(id), id)) return *error;
        catalog_.remove(*catalog_.find(id));
        return {};
    }
    Result<ringpool::NumbersChange> edit_numbers(std::string_view id,
                                                 ringpool::NumbersEdit edit) override {
        if (auto error = note(
                "edit " + std::string(id) + " +" + to_text(edit.add) + " -" + to_text(edit.remove),
                id)) {
            return *error;
        }
        return change;
    }
    Result<ringpool::NumbersChange> set_numbers(std::string_view id,
                                                std::vector<ringpool::PoolNumber> wanted) override {
        if (auto error = note("set " + std::string(id) + " " + to_text(wanted), id)) return *error;
        return change;
    }
    Result<ringpool::NumberPage> numbers(std::string_view id, std::size_t from,
                                         std::size_t max) override {
        if (auto error = note("numbers " + std::string(id) + " from " + std::to_string(from) +
                                  " max " + std::to_string(max),
                              id)) {
            return *error;
        }
        return page;
    }
    Result<ringpool::PoolFigures> figures(std::string_view id) override {
        if (on_figures) on_figures(id);
        if (!catalog_.find(id)) return Error{ErrorCode::not_found, "no such pool"};
        return pool_figures;
    }

    std::optional<Error> failure;  ///< of all calls but figures()
    std::function<void()> on_call;
    std::function<void(std::string_view)> on_figures;
    ringpool::NumbersChange change;
    ringpool::NumberPage page;
    ringpool::PoolFigures pool_figures;
    std::vector<std::string> asked;

  private:
    static std::string to_text(const std::vector<ringpool::PoolNumber>& numbers) {
        std::string text;
        for (const auto& number : numbers) text += number.number.e164() + ";";
        return text;
    }
    static std::string to_text(const std::vector<ringpool::PhoneNumber>& numbers) {
        std::string text;
        for (const auto number : numbers) text += number.e164() + ";";
        return text;
    }
    std::optional<Error> note(std::string call, std::optional<std::string_view> id = {}) {
        asked.push_back(std::move(call));
        if (on_call) on_call();
        if (failure) return failure;
        if (id && !catalog_.find(*id)) return Error{ErrorCode::not_found, "no such pool"};
        return std::nullopt;
    }

    ringpool::Catalog& catalog_;
};

}  // namespace ringmaster::api
