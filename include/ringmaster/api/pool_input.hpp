#pragma once

#include "ringmaster/api/api_error.hpp"
#include "ringmaster/ringpool/number_import.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Reads what the administrator sends about a pool. All of it may be called on any thread, and
/// takes some 10 us for each number. http::Request::kBodyPadding bytes after a body must be
/// readable.
namespace ringmaster::api {

/// Reads the body of PUT /pools/{id}: the fields of a definition by the names of the configuration.
/// What is left out or null has its default. Where something is wrong, tells all of it. "id" may be
/// left out; "figures" are what GET tells beside the definition, and have no effect.
std::optional<ApiError> read_definition(std::string_view body, std::string_view id,
                                        ringpool::PoolDefinition& out);

/// A text that is no number, or one that was there before.
struct RefusedText {
    std::string_view where;  ///< "line", of lines; "index", of an array; a literal
    std::size_t place;       ///< a line counts from 1, an index from 0
    std::string_view list;   ///< "add" or "remove" where there are these two; a literal
    std::string text;        ///< cut to a readable length
    std::string reason;      ///< for people
};

/// What was refused, in order: the first few, and how many in all.
struct Refusals {
    explicit Refusals(std::size_t max_kept) : most(max_kept) {}
    void add(RefusedText refused) {
        if (count++ < most) first.push_back(std::move(refused));
    }

    std::size_t most;
    std::size_t count = 0;
    std::vector<RefusedText> first;
};

/// Numbers as they were sent.
struct NumbersInput {
    explicit NumbersInput(std::size_t max_refusals) : refusals(max_refusals) {}

    ringpool::NumbersEdit edit;  ///< without two lists, all are in `add`
    Refusals refusals;           ///< where there are any, `edit` must not be used
};

/// Reads an array of strings, each a number as import_number() reads it.
std::optional<ApiError> read_number_array(std::string_view body, std::string_view region,
                                          NumbersInput& out);
/// Reads a list as import_numbers() does. There must be at least one number: an empty file is more
/// often a mistake than a wish.
std::optional<ApiError> read_number_lines(std::string_view body, std::string_view region,
                                          NumbersInput& out);
/// Reads {"add": [...], "remove": [...]}; one of them may be left out. Who removes a number may
/// write it in E.164 form even where it is no valid one (any more).
std::optional<ApiError> read_numbers_edit(std::string_view body, std::string_view region,
                                          NumbersInput& out);

}  // namespace ringmaster::api
