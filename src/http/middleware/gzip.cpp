#include "ringmaster/http/middleware/gzip.hpp"

#include "ringmaster/http/weighted_list.hpp"

#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <zlib.h>

#include "grammar.hpp"

namespace ringmaster::http {
namespace {

/// zlib's state, which takes longer to make than a small answer to compress.
class Compressor {
  public:
    explicit Compressor(int level) {
        constexpr int kGzip = 16;  // is added to the size of the window
        constexpr int kMemoryLevel = 8;
        if (deflateInit2(&stream_, level, Z_DEFLATED, MAX_WBITS + kGzip, kMemoryLevel,
                         Z_DEFAULT_STRATEGY) != Z_OK) {
            throw std::bad_alloc();
        }
    }
    ~Compressor() { deflateEnd(&stream_); }
    Compressor(const Compressor&) = delete;
    Compressor& operator=(const Compressor&) = delete;

    /// Nothing where it does not become smaller. Valid until the next call.
    std::optional<std::string_view> compress(std::string_view content) {
        if (out_.size() < content.size()) out_.resize(content.size());
        deflateReset(&stream_);
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
        stream_.avail_in = static_cast<uInt>(content.size());
        stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
        stream_.avail_out = static_cast<uInt>(content.size() - 1);
        if (deflate(&stream_, Z_FINISH) != Z_STREAM_END) return std::nullopt;
        return std::string_view(out_.data(), stream_.total_out);
    }

  private:
    z_stream stream_{};
    std::string out_;
};

/// How much a client wants one coding: as it says, or as it says of all others.
class Wish {
  public:
    void see(bool is_meant, const Weighted& member) noexcept {
        if (is_meant) weight_ = member.thousandths;
        if (member.value == "*") others_ = member.thousandths;
    }
    int weight_or(int unsaid) const noexcept {
        return weight_ ? *weight_ : others_.value_or(unsaid);
    }

  private:
    std::optional<int> weight_;
    std::optional<int> others_;
};

bool wants_gzip(const Request& request) {
    Wish gzip;
    Wish identity;
    request.for_each_header([&](std::string_view name, std::string_view list) {
        if (!equals_ignoring_case(name, "Accept-Encoding")) return;
        while (!list.empty()) {
            const Weighted coding = take_weighted(list);
            const auto is = [&](std::string_view c) {
                return equals_ignoring_case(coding.value, c);
            };
            gzip.see(is("gzip") || is("x-gzip"), coding);
            identity.see(is("identity"), coding);
        }
    });
    return gzip.weight_or(0) > 0 && gzip.weight_or(0) >= identity.weight_or(0);
}

bool is_compressible(std::string_view content_type) {
    const std::string_view type = trim_blanks(content_type.substr(0, content_type.find(';')));
    if (type.starts_with("text/") || type.ends_with("+json") || type.ends_with("+xml")) return true;
    for (const std::string_view known :
         {"application/json", "application/javascript", "application/xml"}) {
        if (type == known) return true;
    }
    return false;
}

void weaken_tag(Response& response) {
    const std::string tag(response.header("ETag").value_or(""));
    if (!tag.starts_with('"')) return;
    response.remove_header("ETag");
    response.add_header("ETag", "W/" + tag);
}

void encode(const Request& request, Response& response, const GzipOptions& options,
            Compressor& compressor) {
    const bool within_bounds =
        response.body.size() >= options.min_bytes && response.body.size() <= options.max_bytes;
    const bool is_not_modified = response.status == 304;
    const bool is_candidate = within_bounds && may_have_content(response.status) &&
                              response.status != 206 && is_compressible(response.content_type) &&
                              !response.header("Content-Encoding");
    if (!is_candidate && !is_not_modified) return;
    response.add_header("Vary", "Accept-Encoding");
    if (!wants_gzip(request)) return;
    // The client of a 304 may have the encoded content, so its tag is the weak one.
    if (is_not_modified) return weaken_tag(response);
    const auto encoded = compressor.compress(response.body);
    if (!encoded) return;
    response.body.assign(*encoded);
    response.add_header("Content-Encoding", "gzip");
    weaken_tag(response);
}

}  // namespace

Middleware gzip(GzipOptions options) {
    if (options.level < 1 || options.level > 9) {
        throw std::invalid_argument("gzip has levels 1 to 9");
    }
    if (options.min_bytes == 0 || options.max_bytes > GzipOptions::kMostBytes) {
        throw std::invalid_argument("gzip is for answers of 1 byte to 1 GiB");
    }
    const auto compressor = std::make_shared<Compressor>(options.level);
    return [options, compressor](RequestHandler next) -> RequestHandler {
        return [options, compressor, next = std::move(next)](Request& request, Response& response) {
            next(request, response);
            if (!response.streaming()) encode(request, response, options, *compressor);
        };
    };
}

}  // namespace ringmaster::http
