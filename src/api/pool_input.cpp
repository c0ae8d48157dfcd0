#include "ringmaster/api/pool_input.hpp"

#include "ringmaster/api/input.hpp"
#include "ringmaster/api/json_tokens.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <unordered_map>
#include <utility>

namespace ringmaster::api {

namespace {

using ringpool::PhoneNumber;
using ringpool::PoolDefinition;

/// What is wrong with a body, as one text of bounded length.
class Problems {
  public:
    void add(const std::string& text) {
        if (++count_ > kMost) return;
        if (!text_.empty()) text_ += "; ";
        text_ += text;
    }
    bool empty() const noexcept { return count_ == 0; }
    std::string text() const {
        if (count_ <= kMost) return text_;
        return text_ + "; and " + std::to_string(count_ - kMost) + " more";
    }

  private:
    static constexpr std::size_t kMost = 16;
    std::size_t count_ = 0;
    std::string text_;
};

/// One pass over the body of a definition. Methods return false where it is not JSON.
class DefinitionWalk {
  public:
    DefinitionWalk(JsonTokens& json, PoolDefinition& pool) : json_(json), pool_(pool) {}

    bool walk() {
        const std::string path_id = pool_.id;
        const bool walked =
            json_.take_object([&](std::string_view name) { return walk_field(name); });
        if (!walked || !json_.at_end()) return false;
        if (pool_.id != path_id) {
            problems_.add("'id' is not the one in the path, '" + shown(path_id) + "'");
            pool_.id = path_id;
        }
        read_overflow_number();
        return true;
    }
    Problems& problems() noexcept { return problems_; }

  private:
    /// A place for the value of one field, by the type that it must have.
    struct Field {
        std::string_view name;
        std::string* text = nullptr;
        std::chrono::seconds* seconds = nullptr;
        bool* boolean = nullptr;
        bool seen = false;
    };

    bool walk_field(std::string_view name) {
        const auto field = std::ranges::find(fields_, name, &Field::name);
        if (field == std::end(fields_)) {
            problems_.add("'" + shown(name) + "' is no field of a pool");
            return json_.skip(1);
        }
        if (std::exchange(field->seen, true)) {
            problems_.add("'" + std::string(name) + "' is given twice");
        }
        if (field->text != nullptr && json_.peek() == '"') {
            std::string_view text;
            if (!json_.take_string(text)) return false;
            *field->text = text;
            return true;
        }
        const char first = json_.peek();
        if (field->text == nullptr && field->seconds == nullptr && field->boolean == nullptr) {
            return json_.skip(1);
        }
        if (first == '"' || first == '{' || first == '[') {
            return refuse(*field) && json_.skip(1);
        }
        std::string_view word;
        if (!json_.take_word(word)) return false;
        return word == "null" || read_word(*field, word) || refuse(*field);
    }

    static bool read_word(const Field& field, std::string_view word) {
        if (field.boolean != nullptr) {
            *field.boolean = word == "true";
            return word == "true" || word == "false";
        }
        if (field.seconds == nullptr) return false;
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
        *field.seconds = std::chrono::seconds(value);
        return error == std::errc() && end == word.data() + word.size();
    }

    /// Always true: the walk goes on.
    bool refuse(const Field& field) {
        problems_.add("'" + std::string(field.name) + "' must be " +
                      (field.text != nullptr      ? "a string"
                       : field.seconds != nullptr ? "a whole number of seconds"
                                                  : "true or false"));
        return true;
    }

    void read_overflow_number() {
        // Neither an empty list nor its region can be wrong in another way.
        if (auto known = ringpool::import_numbers("", shown(pool_.default_region)); !known) {
            return problems_.add(std::move(known).error().message);
        }
        if (overflow_number_.empty()) return;
        auto number = ringpool::import_number(overflow_number_, pool_.default_region);
        if (number) {
            pool_.overflow = *number;
        } else {
            problems_.add("'overflow_number' is '" + shown(overflow_number_) +
                          "': " + number.error().message);
        }
    }

    JsonTokens& json_;
    PoolDefinition& pool_;
    std::string overflow_number_;
    Problems problems_;
    Field fields_[11] = {
        {.name = "id", .text = &pool_.id},
        {.name = "name", .text = &pool_.name},
        {.name = "key", .text = &pool_.key},
        {.name = "lifetime_seconds", .seconds = &pool_.lifetime},
        {.name = "cooldown_seconds", .seconds = &pool_.cooldown},
        {.name = "max_hold_seconds", .seconds = &pool_.max_hold},
        {.name = "allow_overflow", .boolean = &pool_.allow_overflow},
        {.name = "overflow_number", .text = &overflow_number_},
        {.name = "tracking_url", .text = &pool_.tracking_url},
        {.name = "default_region", .text = &pool_.default_region},
        {.name = "figures"},
    };
};

/// Reads arrays of numbers one after the other.
class NumbersWalk {
  public:
    NumbersWalk(JsonTokens& json, std::string_view region, NumbersInput& out)
        : json_(json), region_(region), out_(out) {}

    /// `depth` containers are open around each element. `take(text)` returns the number that it has
    /// taken, or why it is none.
    template <class Take>
    bool walk_array(std::string_view list, std::size_t depth, Take&& take) {
        std::unordered_map<PhoneNumber, std::size_t> first_places;
        std::size_t index = 0;
        return json_.take_array([&] {
            const std::size_t place = index++;
            const auto refuse = [&](std::string_view text, std::string reason) {
                out_.refusals.add({"index", place, list, shown(text), std::move(reason)});
                return true;
            };
            std::string_view text;
            if (json_.peek() != '"') {
                refuse("", "not a string");
                return json_.skip(depth);
            }
            if (!json_.take_string(text)) return false;
            const Result<PhoneNumber> number = take(text);
            if (!number) return refuse(text, number.error().message);
            const auto [first, is_new] = first_places.try_emplace(*number, place);
            return is_new ||
                   refuse(text, "repeats the number of index " + std::to_string(first->second));
        });
    }

    Result<PhoneNumber> take_added(std::string_view text) {
        auto number = ringpool::import_number(text, region_);
        if (!number) return std::move(number).error();
        out_.edit.add.push_back(*number);
        return number->number;
    }

    Result<PhoneNumber> take_removed(std::string_view text) {
        std::optional<PhoneNumber> number;
        if (text.starts_with('+')) number = PhoneNumber::parse_e164(text);
        if (!number) {
            auto imported = ringpool::import_number(text, region_);
            if (!imported) return std::move(imported).error();
            number = imported->number;
        }
        out_.edit.remove.push_back(*number);
        return *number;
    }

  private:
    JsonTokens& json_;
    std::string_view region_;
    NumbersInput& out_;
};

ApiError invalid(std::string message) {
    return {ErrorClass::invalid_input, std::move(message)};
}

}  // namespace

std::optional<ApiError> read_definition(std::string_view body, std::string_view id,
                                        PoolDefinition& out) {
    out = {};
    out.id = id;
    JsonTokens json;
    std::string decoded;
    const bool started = json.start(body, decoded);
    const bool is_object = started && json.peek() == '{';
    DefinitionWalk walk(json, out);
    if (!is_object || !walk.walk()) return why_refused(body, "the body must be an object");
    if (walk.problems().empty()) {
        if (auto checked = out.validate(); !checked) walk.problems().add(checked.error().message);
    }
    if (walk.problems().empty()) return std::nullopt;
    return invalid(walk.problems().text());
}

std::optional<ApiError> read_number_array(std::string_view body, std::string_view region,
                                          NumbersInput& out) {
    JsonTokens json;
    std::string decoded;
    NumbersWalk walk(json, region, out);
    const bool walked =
        json.start(body, decoded) &&
        walk.walk_array("", 1, [&](std::string_view text) { return walk.take_added(text); }) &&
        json.at_end();
    if (walked) return std::nullopt;
    return why_refused(body, "the body must be an array of numbers");
}

std::optional<ApiError> read_number_lines(std::string_view body, std::string_view region,
                                          NumbersInput& out) {
    auto import = ringpool::import_numbers(body, region);
    if (!import) return to_api_error(import.error());
    out.edit.add = std::move(import->numbers);
    for (ringpool::RefusedLine& line : import->refused) {
        out.refusals.add({"line", line.line, "", std::move(line.text), std::move(line.reason)});
    }
    if (out.edit.add.empty() && out.refusals.count == 0) {
        return invalid("there is no number in the list; an empty one is written as JSON: []");
    }
    return std::nullopt;
}

std::optional<ApiError> read_numbers_edit(std::string_view body, std::string_view region,
                                          NumbersInput& out) {
    JsonTokens json;
    std::string decoded;
    std::string refusal = "the body must be an object";
    NumbersWalk walk(json, region, out);
    bool seen[2] = {false, false};
    const auto walk_list = [&](std::string_view name) {
        const bool adds = name == "add";
        if (!adds && name != "remove") {
            refusal = "'" + shown(name) + "' is neither 'add' nor 'remove'";
            return false;
        }
        const std::string_view list = adds ? "add" : "remove";
        if (std::exchange(seen[adds], true)) {
            refusal = "'" + std::string(list) + "' is given twice";
            return false;
        }
        if (json.peek() != '[') {
            refusal = "'" + std::string(list) + "' must be an array of numbers";
            return false;
        }
        return walk.walk_array(list, 2, [&](std::string_view text) {
            return adds ? walk.take_added(text) : walk.take_removed(text);
        });
    };
    if (!json.start(body, decoded) || !json.take_object(walk_list) || !json.at_end()) {
        return why_refused(body, refusal);
    }
    if (!seen[0] && !seen[1]) return invalid("there is neither 'add' nor 'remove' in the body");
    return std::nullopt;
}

}  // namespace ringmaster::api
