#pragma once

#include "ringmaster/http/content_stream.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::http {

enum class Method : std::uint8_t { get, head, post, put, patch, delete_, options, other };

/// "GET" and so on; "?" for Method::other.
std::string_view to_string(Method method) noexcept;

/// One complete HTTP/1.x request (RFC 9112). Owns its bytes, so it may be read across suspensions;
/// all views stay valid until clear(). Made to be reused: clear() keeps the memory.
class Request {
  public:
    /// So many bytes after the body may be read (not interpreted): JSON parsers that load whole
    /// vectors want them.
    static constexpr std::size_t kBodyPadding = 64;

    Method method() const noexcept { return method_; }
    /// The origin-form of the target as it came, e.g. "/numbers?pool=a%20b". An absolute-form
    /// target is reduced to it (RFC 9112, 3.2.2); "*" stays "*".
    std::string_view target() const noexcept { return view(target_); }
    /// The target up to the first '?', still percent-encoded. Router decodes it by segment, because
    /// "%2F" is not a separator.
    std::string_view path() const noexcept { return view(path_); }
    /// The target after the first '?', still percent-encoded. QueryReader decodes it.
    std::string_view query() const noexcept { return view(query_); }
    /// The authority: of an absolute-form target, else of Host.
    std::string_view host() const noexcept { return view(host_); }
    /// 0 or 1: the minor version of HTTP/1.x.
    int minor_version() const noexcept { return minor_version_; }
    /// Whether the connection may stay open after the answer (RFC 9112, 9.3).
    bool keep_alive() const noexcept { return keep_alive_; }
    /// The client waits for "100 Continue" before it sends the body.
    bool expects_continue() const noexcept { return expects_continue_; }

    /// The value of the first field of that name (case-insensitive), without surrounding blanks.
    std::optional<std::string_view> header(std::string_view name) const noexcept;
    template <class Visit>
    void for_each_header(Visit&& visit) const {
        for (const Field& field : fields_) visit(view(field.name), view(field.value));
    }

    /// The content, with any chunked coding undone. Of a request that is streamed: nothing.
    std::string_view body() const noexcept;

    /// Whether the handler was begun before the content was there, and takes it with read_body().
    bool streams_body() const noexcept { return streams_body_; }
    /// Suspends. The next part of the content of a request that is streamed, at least one byte;
    /// nothing at its end. Valid until the next call. Throws ContentTooLarge past limit_body(), and
    /// runtime::Cancelled where the client has left or breaks the rules.
    std::string_view read_body();
    /// From now on read_body() throws where there are more than `bytes` in all. Of several limits
    /// the lowest counts.
    void limit_body(std::uint64_t bytes) noexcept { body_limit_ = std::min(body_limit_, bytes); }
    /// What read_body() reads from; must outlive the request. The server's, or a test's.
    void attach(ContentReader& reader) noexcept { reader_ = &reader; }

    /// What names the request in logs, ours and others'; empty until somebody has given it a name.
    std::string_view id() const noexcept { return id_; }
    void set_id(std::string_view id) { id_ = id; }
    /// How long it waited in front of this server, where a proxy has told.
    std::optional<std::chrono::microseconds> queue_time() const noexcept { return queue_time_; }
    void set_queue_time(std::chrono::microseconds time) noexcept { queue_time_ = time; }

    /// Forgets everything but the memory; of that, at most `keep_bytes` in all are kept.
    void clear(std::size_t keep_bytes) noexcept;

  private:
    friend class RequestParser;
    /// Offsets, not pointers: the head grows while it is read.
    struct Range {
        std::uint32_t begin = 0;
        std::uint32_t size = 0;
    };
    struct Field {
        Range name;
        Range value;
    };
    std::string_view view(Range r) const noexcept { return {head_.data() + r.begin, r.size}; }

    std::string head_;  ///< request line and fields: what the ranges lie in
    std::string body_;  ///< capacity is at least size + kBodyPadding, unless it is empty
    std::vector<Field> fields_;
    std::string id_;
    std::optional<std::chrono::microseconds> queue_time_;
    ContentReader* reader_ = nullptr;
    std::uint64_t body_limit_ = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t body_read_ = 0;  ///< bytes that read_body() has given
    Range target_, path_, query_, host_;
    Method method_ = Method::other;
    std::uint8_t minor_version_ = 1;
    bool keep_alive_ = false;
    bool expects_continue_ = false;
    bool streams_body_ = false;
};

}  // namespace ringmaster::http
