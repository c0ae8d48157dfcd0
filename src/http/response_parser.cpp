#include "ringmaster/http/response_parser.hpp"

#include <cassert>

#include "grammar.hpp"
#include <llhttp.h>

namespace ringmaster::http {

struct ResponseParser::State {
    enum class Phase : std::uint8_t { idle, head, body, complete, failed };

    explicit State(const ResponseLimits& l) noexcept : limits(l) {}

    int fail(std::string message) {
        if (phase != Phase::failed) error = {ErrorCode::invalid, std::move(message)};
        phase = Phase::failed;
        return -1;
    }
    // Parts of a name or value come one after the other, in as many pieces as they arrived.
    int on_name(std::string_view part) {
        if (value_seen || head.fields.empty()) {
            if (head.fields.size() == limits.field_count) {
                return fail("the answer has more than " + std::to_string(limits.field_count) +
                            " header fields");
            }
            head.fields.emplace_back();
            value_seen = false;
        }
        head.fields.back().first += part;
        return 0;
    }
    int on_value(std::string_view part) {
        value_seen = true;
        head.fields.back().second += part;
        return 0;
    }
    int on_head_complete() {
        if (phase == Phase::body) return 0;  // a trailer section has the same callbacks
        head.status = machine.status_code;
        head.minor_version = machine.http_minor;
        if (machine.http_major != 1) return fail("the answer is not HTTP/1");
        if (head.status < 200) {
            if (head.status == 101) return fail("the answer changes the protocol, unasked");
            return 0;
        }
        head.keep_alive = llhttp_should_keep_alive(&machine) != 0;
        phase = Phase::body;
        head_told = false;
        // 1: no content, whatever the fields say. Else stop here, so that the head is told first.
        const bool empty = head_request || head.status == 204 || head.status == 304;
        return empty ? 1 : HPE_PAUSED;
    }
    int on_complete() {
        if (head.status < 200) {  // interim
            head = {};
            value_seen = false;
            return 0;
        }
        phase = Phase::complete;
        return HPE_PAUSED;
    }

    llhttp_t machine{};
    const ResponseLimits limits;
    ResponseHead head;
    Error error{ErrorCode::invalid, ""};
    const std::function<void(std::string_view)>* on_body = nullptr;  ///< during feed()
    std::size_t head_bytes = 0;                                      ///< interim answers included
    Phase phase = Phase::idle;
    bool head_request = false;
    bool head_told = true;
    bool value_seen = false;

    static State& of(llhttp_t* m) noexcept { return *static_cast<State*>(m->data); }
    static constexpr llhttp_settings_t make_settings() noexcept {
        llhttp_settings_t s{};
        s.on_header_field = [](llhttp_t* m, const char* at, std::size_t size) {
            return of(m).on_name({at, size});
        };
        s.on_header_value = [](llhttp_t* m, const char* at, std::size_t size) {
            return of(m).on_value({at, size});
        };
        s.on_headers_complete = [](llhttp_t* m) { return of(m).on_head_complete(); };
        s.on_body = [](llhttp_t* m, const char* at, std::size_t size) {
            if (size > 0) (*of(m).on_body)({at, size});
            return 0;
        };
        s.on_message_complete = [](llhttp_t* m) { return of(m).on_complete(); };
        return s;
    }
    static const llhttp_settings_t kSettings;
};

constexpr llhttp_settings_t ResponseParser::State::kSettings = make_settings();

std::optional<std::string_view> ResponseHead::field(std::string_view name) const noexcept {
    for (const auto& [have, value] : fields) {
        if (equals_ignoring_case(have, name)) return value;
    }
    return std::nullopt;
}

ResponseParser::ResponseParser(const ResponseLimits& limits)
    : state_(std::make_unique<State>(limits)) {}

ResponseParser::~ResponseParser() = default;

void ResponseParser::start(bool head_request) {
    State& s = *state_;
    llhttp_init(&s.machine, HTTP_RESPONSE, &State::kSettings);
    s.machine.data = &s;
    s.head = {};
    s.head_bytes = 0;
    s.phase = State::Phase::idle;
    s.head_request = head_request;
    s.head_told = true;
    s.value_seen = false;
}

ResponseParser::Progress ResponseParser::feed(
    std::string_view bytes, const std::function<void(std::string_view)>& on_body) {
    using Phase = State::Phase;
    State& s = *state_;
    assert(s.phase != Phase::failed);
    if (s.phase == Phase::complete) return {Status::complete, 0};
    if (s.phase == Phase::idle && !bytes.empty()) s.phase = Phase::head;
    s.on_body = &on_body;

    // While it is in the head, it is given no more than a head may have.
    const bool in_head = s.phase == Phase::head;
    const auto part = in_head ? bytes.substr(0, s.limits.head_bytes + 1 - s.head_bytes) : bytes;
    if (llhttp_get_errno(&s.machine) == HPE_PAUSED) llhttp_resume(&s.machine);
    const llhttp_errno_t code = llhttp_execute(&s.machine, part.data(), part.size());
    const std::size_t consumed =
        code == HPE_OK ? part.size()
                       : static_cast<std::size_t>(llhttp_get_error_pos(&s.machine) - part.data());
    if (code != HPE_OK && code != HPE_PAUSED) {
        s.fail(std::string("the answer is not HTTP: ") + llhttp_get_error_reason(&s.machine));
    } else if (in_head && (s.head_bytes += consumed) > s.limits.head_bytes) {
        s.fail("the head of the answer has more than " + std::to_string(s.limits.head_bytes) +
               " bytes");
    }
    if (s.phase == Phase::failed) return {Status::failed, consumed};
    if (!s.head_told) {
        s.head_told = true;
        return {Status::head_complete, consumed};
    }
    if (s.phase == Phase::complete) return {Status::complete, consumed};
    return {Status::need_more, consumed};
}

ResponseParser::Status ResponseParser::end() {
    State& s = *state_;
    // Calls on_complete() where this is how the answer ends.
    if (s.phase == State::Phase::body) llhttp_finish(&s.machine);
    if (s.phase == State::Phase::complete) return Status::complete;
    s.fail("the answer ends in the middle");
    return Status::failed;
}

const ResponseHead& ResponseParser::head() const noexcept {
    return state_->head;
}

bool ResponseParser::begun() const noexcept {
    return state_->phase != State::Phase::idle;
}

const Error& ResponseParser::error() const noexcept {
    return state_->error;
}

}  // namespace ringmaster::http
