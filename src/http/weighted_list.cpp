#include "ringmaster/http/weighted_list.hpp"

#include <algorithm>

#include "grammar.hpp"

namespace ringmaster::http {
namespace {

/// Takes the part up to `separator`, or all, from the front of `rest`.
std::string_view take_part(std::string_view& rest, char separator) noexcept {
    const std::size_t end = std::min(rest.find(separator), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return trim_blanks(part);
}

/// "0.25" as 250. What is not a weight is taken for 1.
int thousandths(std::string_view weight) noexcept {
    if (weight.empty() || weight.front() != '0') return 1000;
    if (weight.size() > 1 && weight[1] != '.') return 1000;
    int value = 0;
    int place = 100;
    for (const char c : weight.substr(std::min<std::size_t>(weight.size(), 2))) {
        if (!is_digit(c)) return 1000;
        value += (c - '0') * place;
        place /= 10;
    }
    return value;
}

}  // namespace

Weighted take_weighted(std::string_view& list) noexcept {
    std::string_view parameters = take_part(list, ',');
    Weighted member{take_part(parameters, ';'), 1000};
    while (!parameters.empty()) {
        std::string_view value = take_part(parameters, ';');
        if (equals_ignoring_case(take_part(value, '='), "q")) {
            member.thousandths = thousandths(value);
        }
    }
    return member;
}

}  // namespace ringmaster::http
