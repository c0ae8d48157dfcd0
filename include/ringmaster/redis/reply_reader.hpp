#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/redis/reply.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

namespace ringmaster::redis {

struct ReplyLimits {
    std::size_t max_reply_bytes = 64u << 20;     ///< as sent
    std::size_t max_line_bytes = 64u << 10;      ///< of a status or an error
    std::size_t max_elements = 1'000'000;        ///< of all arrays of a reply together
    static constexpr std::size_t kMaxDepth = 8;  ///< arrays in arrays, as hiredis has it
};

/// Cuts what a server sends into replies (RESP2), wherever it is torn. Takes no more memory than
/// has really been sent would need, whatever lengths are announced. Pure: does no I/O.
class ReplyReader {
  public:
    explicit ReplyReader(ReplyLimits limits = {});
    ~ReplyReader();
    ReplyReader(const ReplyReader&) = delete;
    ReplyReader& operator=(const ReplyReader&) = delete;

    /// Takes bytes. Call next() until it gives nothing before the next ones.
    void feed(std::string_view bytes);

    /// The next complete reply; nothing where more bytes are needed. ErrorCode::damaged where these
    /// are no replies, or one goes beyond a limit: then and from then on.
    Result<std::optional<Reply>> next();

  private:
    class Codec;
    std::unique_ptr<Codec> codec_;
};

}  // namespace ringmaster::redis
