#include "ringmaster/http/request_parser.hpp"

#include "ringmaster/base/byte_block.hpp"

#include <cassert>
#include <cstring>
#include <limits>
#include <utility>

#include "grammar.hpp"
#include <llhttp.h>

namespace ringmaster::http {

namespace {

/// A chunk-size line with its extensions; nobody has a use for longer ones (CVE-2024-22019).
constexpr std::size_t kChunkLineBytes = 256;
/// Empty lines before a request line: old clients send one after a body.
constexpr int kEmptyLines = 8;
/// So much room is made at once for a head: most fit.
constexpr std::size_t kFirstHeadBytes = 512;
/// So much room is made for a body on the word of its Content-Length alone; past that, the room
/// grows with what arrives.
constexpr std::size_t kFirstBodyBytes = 16 * 1024;

Method method_of(std::uint8_t llhttp_method) noexcept {
    switch (llhttp_method) {
        case HTTP_GET: return Method::get;
        case HTTP_HEAD: return Method::head;
        case HTTP_POST: return Method::post;
        case HTTP_PUT: return Method::put;
        case HTTP_PATCH: return Method::patch;
        case HTTP_DELETE: return Method::delete_;
        case HTTP_OPTIONS: return Method::options;
        default: return Method::other;
    }
}

/// Where the first control character is, or the size.
std::size_t find_control(std::string_view text, bool allow_tab) noexcept {
    std::size_t i = 0;
    while (i + ByteBlock::kSize <= text.size()) {
        const std::size_t step = ByteBlock(text.data() + i).first_control();
        i += step;
        if (step == ByteBlock::kSize) continue;
        if (!allow_tab || text[i] != '\t') return i;
        ++i;
    }
    while (i < text.size() && (!is_control(text[i]) || (allow_tab && text[i] == '\t'))) ++i;
    return i;
}

std::string describe_control(char c) {
    constexpr std::string_view kHex = "0123456789abcdef";
    if (c == '\n') return "a line feed without a carriage return";
    const auto byte = static_cast<unsigned char>(c);
    return std::string("control character 0x") + kHex[byte >> 4] + kHex[byte & 15];
}

}  // namespace

/// Everything but content is taken line by line: a line is collected in the request's head, looked
/// at here, and only when it is whole and clean given to llhttp. So llhttp never sees a part of a
/// line, its callbacks never get a part of a name or value, and where an error is found does not
/// depend on how the bytes were split. Lines of the chunked coding are dropped from the head again.
struct RequestParser::State {
    enum class Phase : std::uint8_t {
        idle,
        request_line,
        fields,
        content,     ///< of a Content-Length
        chunk_size,  ///< the line with the size of the next chunk
        chunk_data,
        chunk_end,  ///< the empty line after a chunk's data
        trailers,
        failed,
    };

    State(const RequestLimits& l, const StreamsBody* s) noexcept : limits(l), streams_body(s) {}

    std::size_t take_line(std::string_view bytes);
    std::size_t take_data(std::string_view bytes);
    void begin();
    void end_line();
    void end_request_line(std::string_view line);
    void end_chunk_line();
    int check_request_line(std::string_view line);
    bool target_too_long() const noexcept;
    void read_target();
    void remove_authority(Request::Range& target);
    void read_framing_fields();
    void read_host(std::string_view value);
    void read_transfer_encoding(std::string_view value);

    void run(std::string_view bytes);
    int on_field_name(std::string_view name);
    int on_field_value(std::string_view value);
    int on_head_complete();
    int on_chunk_size();
    int on_complete();

    /// Both return -1: what llhttp's callbacks return for an error.
    int fail(int status, std::string message);
    int fail_at(std::size_t head_offset, int status, std::string message);
    bool has_failed() const noexcept { return phase == Phase::failed; }

    bool in_chunk_line() const noexcept {
        return phase == Phase::chunk_size || phase == Phase::chunk_end;
    }
    Request::Range range_of(std::string_view part) const noexcept {
        return {static_cast<std::uint32_t>(part.data() - request->head_.data()),
                static_cast<std::uint32_t>(part.size())};
    }

    llhttp_t machine{};
    const RequestLimits limits;
    const StreamsBody* const streams_body;
    ParseError error;
    Request* request = nullptr;       ///< during feed()
    std::uint64_t left = 0;           ///< bytes of the content, or of this chunk, still to come
    std::uint64_t body_bytes = 0;     ///< content so far
    std::uint64_t body_limit = 0;     ///< for this request
    std::uint64_t dropped_bytes = 0;  ///< lines of the chunked coding
    std::size_t line_begin = 0;       ///< in the head
    std::size_t field_count = 0;      ///< of the header section, once it is complete
    int empty_lines = 0;
    Phase phase = Phase::idle;
    Status outcome = Status::need_more;
    bool host_seen = false;

    static State& of(llhttp_t* m) noexcept { return *static_cast<State*>(m->data); }
    static constexpr llhttp_settings_t make_settings() noexcept;
    static const llhttp_settings_t kSettings;
};

constexpr llhttp_settings_t RequestParser::State::make_settings() noexcept {
    llhttp_settings_t s{};
    s.on_header_field = [](llhttp_t* m, const char* at, std::size_t size) {
        return of(m).on_field_name({at, size});
    };
    s.on_header_value = [](llhttp_t* m, const char* at, std::size_t size) {
        return of(m).on_field_value({at, size});
    };
    s.on_body = [](llhttp_t* m, const char* at, std::size_t size) {
        of(m).request->body_.append(at, size);
        of(m).body_bytes += size;
        return 0;
    };
    s.on_headers_complete = [](llhttp_t* m) { return of(m).on_head_complete(); };
    s.on_chunk_header = [](llhttp_t* m) { return of(m).on_chunk_size(); };
    s.on_message_complete = [](llhttp_t* m) { return of(m).on_complete(); };
    return s;
}

constinit const llhttp_settings_t RequestParser::State::kSettings = make_settings();

int RequestParser::State::fail(int status, std::string message) {
    phase = Phase::failed;
    outcome = Status::failed;
    error = {status, std::move(message)};
    return -1;
}

int RequestParser::State::fail_at(std::size_t head_offset, int status, std::string message) {
    const std::uint64_t position = head_offset + body_bytes + dropped_bytes;
    return fail(status, std::move(message) + " at byte " + std::to_string(position));
}

void RequestParser::State::begin() {
    assert(request->head_.empty() && request->body_.empty());
    // Anew for each request: after an Upgrade, llhttp would take all that follows for another
    // protocol.
    llhttp_init(&machine, HTTP_REQUEST, &kSettings);
    machine.data = this;
    body_bytes = 0;
    dropped_bytes = 0;
    line_begin = 0;
    host_seen = false;
    request->head_.reserve(kFirstHeadBytes);
    phase = Phase::request_line;
}

/// Takes bytes up to the end of the current line, or all. The checks stand in the order in which
/// their faults lie in the bytes.
std::size_t RequestParser::State::take_line(std::string_view bytes) {
    if (phase == Phase::idle) begin();
    std::string& head = request->head_;
    const std::size_t bound = in_chunk_line() ? line_begin + kChunkLineBytes : limits.head_bytes;
    const std::string_view window = bytes.substr(0, bound - head.size());

    std::size_t taken = 0;
    if (head.empty() || head.back() != '\r') {
        taken = find_control(window, phase == Phase::fields || phase == Phase::trailers);
        if (taken < window.size() && window[taken] == '\r') ++taken;
        head.append(window.substr(0, taken));
    }
    const bool after_cr = !head.empty() && head.back() == '\r';

    if (phase == Phase::request_line && target_too_long()) {
        fail(414, "the request target exceeds " + std::to_string(limits.target_bytes) + " bytes");
    } else if (taken == bytes.size()) {
        // The line goes on in the next piece.
    } else if (taken == window.size() && in_chunk_line()) {
        fail_at(head.size(), 400, "a line of the chunked coding is too long");
    } else if (taken == window.size()) {
        fail(431, "the header section exceeds " + std::to_string(bound) + " bytes");
    } else if (after_cr && window[taken] != '\n') {
        fail_at(head.size() - 1, 400, "a carriage return without a line feed");
    } else if (!after_cr) {
        fail_at(head.size(), 400, describe_control(window[taken]));
    } else {
        head.push_back('\n');
        ++taken;
        end_line();
    }
    return taken;
}

std::size_t RequestParser::State::take_data(std::string_view bytes) {
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size()));
    std::string& body = request->body_;
    body.reserve(body.size() + taken + Request::kBodyPadding);
    left -= taken;
    run(bytes.substr(0, taken));
    if (left == 0 && phase == Phase::chunk_data) phase = Phase::chunk_end;
    return taken;
}

void RequestParser::State::end_line() {
    const std::string_view line = std::string_view(request->head_).substr(line_begin);
    if (phase == Phase::request_line) {
        end_request_line(line);
    } else if (in_chunk_line()) {
        end_chunk_line();
    } else if (is_blank(line.front())) {
        fail_at(line_begin, 400, "a field line that begins with a blank");
    } else if (line.front() == ':') {
        fail_at(line_begin, 400, "an empty field name");
    } else {
        run(line);
    }
    line_begin = request->head_.size();
}

void RequestParser::State::end_request_line(std::string_view line) {
    if (line == "\r\n") {
        request->head_.clear();
        phase = Phase::idle;
        if (++empty_lines > kEmptyLines) fail(400, "too many empty lines before a request line");
        return;
    }
    if (check_request_line(line.substr(0, line.size() - 2)) != 0) return;
    run(line);
    if (has_failed()) return;
    request->method_ = method_of(machine.method);
    request->minor_version_ = machine.http_minor;
    read_target();
    if (!has_failed()) phase = Phase::fields;
}

/// What llhttp is too lenient for, or would give a worse answer to.
int RequestParser::State::check_request_line(std::string_view line) {
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    const std::string_view method = line.substr(0, first);
    if (!is_token(method)) return fail(400, "malformed method in the request line");
    if (first == last) return fail(400, "no HTTP version in the request line");

    const std::string_view target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    if (target.empty() || target.find(' ') != target.npos) {
        return fail_at(first + 1, 400, "a blank too many in the request line");
    }
    if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) ||
        version[6] != '.' || !is_digit(version[7])) {
        return fail_at(last + 1, 400, "malformed HTTP version");
    }
    if (version != "HTTP/1.1" && version != "HTTP/1.0") {
        return fail(505, "this server speaks HTTP/1.1 and HTTP/1.0");
    }
    // llhttp would read what follows as another protocol.
    if (method == "CONNECT" || method == "PRI") {
        return fail(501, std::string(method) + " is not supported");
    }
    request->target_ = range_of(target);
    return 0;
}

/// Looks for the end of the target only, so it may be asked before the line is complete.
bool RequestParser::State::target_too_long() const noexcept {
    const std::string_view line = request->head_;
    if (line.size() <= limits.target_bytes) return false;
    const std::size_t space = line.find(' ');
    if (space == line.npos) return false;
    const std::string_view target = line.substr(space + 1);
    return target.size() > limits.target_bytes &&
           target.substr(0, limits.target_bytes + 1).find(' ') == target.npos;
}

void RequestParser::State::read_target() {
    Request::Range target = request->target_;
    const std::string_view whole = request->view(target);
    if (const std::size_t fragment = whole.find('#'); fragment != whole.npos) {
        fail_at(target.begin + fragment, 400, "a fragment in the request target");
        return;
    }
    if (whole.front() == '*') {
        if (whole != "*" || request->method_ != Method::options) {
            fail(400, "the request target * is for OPTIONS only");
        }
    } else if (whole.front() != '/') {
        remove_authority(target);
        if (has_failed()) return;
    }
    const std::string_view text = request->view(target);
    const std::size_t path = std::min(text.find('?'), text.size());
    request->target_ = target;
    request->path_ = range_of(text.substr(0, path));
    request->query_ = range_of(text.substr(std::min(path + 1, text.size())));
}

/// Reduces an absolute-form target to its origin-form (RFC 9112, 3.2.2).
void RequestParser::State::remove_authority(Request::Range& target) {
    const std::string_view whole = request->view(target);
    const std::size_t colon = whole.find("://");
    const std::string_view scheme = whole.substr(0, colon);
    if (colon == whole.npos ||
        !(equals_ignoring_case(scheme, "http") || equals_ignoring_case(scheme, "https"))) {
        fail(400, "the request target is neither a path nor an http URI");
        return;
    }
    const std::size_t begin = colon + 3;
    const std::size_t end = std::min(whole.find_first_of("/?", begin), whole.size());
    const std::string_view authority = whole.substr(begin, end - begin);
    if (authority.empty() || !is_authority(authority)) {
        fail_at(target.begin + begin, 400, "malformed authority in the request target");
        return;
    }
    request->host_ = range_of(authority);
    target.begin += static_cast<std::uint32_t>(end);
    target.size -= static_cast<std::uint32_t>(end);
    if (target.size == 0 || whole[end] == '?') {
        // An empty path is "/". The authority moves over one of the slashes before it, so that the
        // target stays in one piece.
        char* const place = request->head_.data() + request->host_.begin;
        std::memmove(place - 1, place, request->host_.size);
        place[request->host_.size - 1] = '/';
        --request->host_.begin;
        --target.begin;
        ++target.size;
    }
}

void RequestParser::State::end_chunk_line() {
    std::string& head = request->head_;
    const std::size_t size = head.size() - line_begin;
    if (phase == Phase::chunk_size) {
        // llhttp doesn't know all forms of chunk extensions, and none means anything to us
        // (RFC 9112, 7.1.1).
        const std::size_t extension = std::min(head.find(';', line_begin), head.size() - 2);
        head.erase(extension, head.size() - 2 - extension);
        run(std::string_view(head).substr(line_begin));
    } else {
        run(std::string_view(head).substr(line_begin));
        if (!has_failed()) phase = Phase::chunk_size;
    }
    head.resize(line_begin);
    dropped_bytes += size;
}

void RequestParser::State::run(std::string_view bytes) {
    const llhttp_errno_t code = llhttp_execute(&machine, bytes.data(), bytes.size());
    if (code == HPE_OK || code == HPE_PAUSED || has_failed()) return;
    if (phase == Phase::request_line && code != HPE_INVALID_URL) {
        fail(501, "the method is not known");
        return;
    }
    // Data can't be wrong, so it was a line, which lies in the head.
    const char* const at = llhttp_get_error_pos(&machine);
    fail_at(static_cast<std::size_t>(at - request->head_.data()), 400,
            llhttp_get_error_reason(&machine));
}

int RequestParser::State::on_field_name(std::string_view name) {
    if (request->fields_.size() >= limits.header_count) {
        return fail(431, "more than " + std::to_string(limits.header_count) + " header fields");
    }
    request->fields_.push_back({range_of(name), {}});
    return 0;
}

int RequestParser::State::on_field_value(std::string_view value) {
    value = trim_blanks(value);
    if (!value.empty()) request->fields_.back().value = range_of(value);
    return 0;
}

int RequestParser::State::on_head_complete() {
    read_framing_fields();
    if (has_failed()) return -1;
    field_count = request->fields_.size();
    left = machine.content_length;
    if (left > std::numeric_limits<std::int64_t>::max()) {
        return fail(400, "Content-Length exceeds 2^63-1");
    }
    const bool chunked = (machine.flags & F_CHUNKED) != 0;
    const bool has_content = chunked || left > 0;
    request->streams_body_ = has_content && streams_body != nullptr && (*streams_body)(*request);
    body_limit = request->streams_body_ ? limits.streamed_body_bytes : limits.body_bytes;
    if (left > body_limit) {
        return fail(413, "Content-Length exceeds " + std::to_string(body_limit) + " bytes");
    }
    if (!has_content) {
        request->expects_continue_ = false;
        return 0;
    }
    phase = chunked ? Phase::chunk_size : Phase::content;
    request->body_.reserve(std::min<std::size_t>(left, kFirstBodyBytes) + Request::kBodyPadding);
    if (request->expects_continue_ || request->streams_body_) outcome = Status::head_complete;
    return 0;
}

int RequestParser::State::on_chunk_size() {
    left = machine.content_length;
    if (left > body_limit - body_bytes) {
        return fail(413, "the body exceeds " + std::to_string(body_limit) + " bytes");
    }
    phase = left > 0 ? Phase::chunk_data : Phase::trailers;
    return 0;
}

int RequestParser::State::on_complete() {
    request->fields_.resize(field_count);  // without those of the trailer section
    empty_lines = 0;
    phase = Phase::idle;
    outcome = Status::complete;
    return HPE_PAUSED;
}

/// The fields that say where the request ends, whom it is for and what comes after it.
/// Content-Length is llhttp's: plain digits, once, not beside Transfer-Encoding.
void RequestParser::State::read_framing_fields() {
    bool close = false;
    bool keep = false;
    bool coded = false;
    for (const Request::Field& field : request->fields_) {
        const std::string_view name = request->view(field.name);
        const std::string_view value = request->view(field.value);
        if (name.size() == 4 && equals_ignoring_case(name, "host")) {
            read_host(value);
        } else if (name.size() == 6 && equals_ignoring_case(name, "expect")) {
            if (request->minor_version_ == 0) continue;  // RFC 9110, 10.1.1
            request->expects_continue_ = equals_ignoring_case(value, "100-continue");
            if (!request->expects_continue_) fail(417, "an expectation other than 100-continue");
        } else if (name.size() == 10 && equals_ignoring_case(name, "connection")) {
            for_each_member(value, [&](std::string_view option) {
                close = close || equals_ignoring_case(option, "close");
                keep = keep || equals_ignoring_case(option, "keep-alive");
            });
        } else if (name.size() == 17 && equals_ignoring_case(name, "transfer-encoding")) {
            read_transfer_encoding(value);
            coded = true;
        }
        if (has_failed()) return;
    }
    if (coded && (machine.flags & F_CHUNKED) == 0) {
        fail(400, "malformed Transfer-Encoding");  // llhttp has read it otherwise
    } else if (!host_seen && request->minor_version_ == 1) {
        fail(400, "no Host field");
    }
    request->keep_alive_ = !close && (keep || request->minor_version_ == 1);
}

void RequestParser::State::read_host(std::string_view value) {
    if (std::exchange(host_seen, true)) {
        fail(400, "repeated Host");
    } else if (!is_authority(value)) {
        fail(400, "malformed Host");
    } else if (request->host_.size == 0 && !value.empty()) {
        request->host_ = range_of(value);
    }
}

void RequestParser::State::read_transfer_encoding(std::string_view value) {
    if (request->minor_version_ == 0) {
        fail(400, "Transfer-Encoding in HTTP/1.0");
        return;
    }
    if (equals_ignoring_case(value, "chunked")) return;
    for_each_member(value, [&](std::string_view coding) {
        if (has_failed()) return;
        if (coding.empty() || equals_ignoring_case(coding, "chunked")) {
            fail(400, "malformed Transfer-Encoding");
        } else {
            fail(501, "a transfer coding other than chunked");
        }
    });
}

RequestParser::RequestParser(const RequestLimits& limits, const StreamsBody* streams_body)
    : state_(std::make_unique<State>(limits, streams_body)) {}

RequestParser::~RequestParser() = default;

RequestParser::Progress RequestParser::feed(std::string_view bytes, Request& request) {
    State& s = *state_;
    assert(!s.has_failed());
    s.request = &request;
    s.outcome = Status::need_more;
    std::size_t taken = 0;
    while (taken < bytes.size() && s.outcome == Status::need_more) {
        const std::string_view rest = bytes.substr(taken);
        const bool data = s.phase == State::Phase::content || s.phase == State::Phase::chunk_data;
        taken += data ? s.take_data(rest) : s.take_line(rest);
    }
    return {s.outcome, taken};
}

std::size_t RequestParser::content_bytes(const Request& request) noexcept {
    return request.body_.size();
}

void RequestParser::take_content(Request& request, std::string& into) noexcept {
    into.clear();
    into.swap(request.body_);
}

bool RequestParser::in_request() const noexcept {
    return state_->phase != State::Phase::idle;
}

bool RequestParser::in_body() const noexcept {
    return state_->phase >= State::Phase::content && state_->phase <= State::Phase::trailers;
}

const ParseError& RequestParser::error() const noexcept {
    return state_->error;
}

}  // namespace ringmaster::http
