// The body of POST /numbers, as any client may send it.
#include "ringmaster/api/json_text.hpp"
#include "ringmaster/api/numbers_request.hpp"
#include "ringmaster/api/numbers_writer.hpp"
#include "ringmaster/http/request.hpp"
#include "ringmaster/ringpool/context.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace ringmaster;

constexpr std::size_t kKeepBytes = 1 << 20;

ringpool::Catalog make_catalog() {
    ringpool::PoolDefinition pool;
    pool.id = "p";
    pool.key = "k";
    pool.allow_overflow = false;
    ringpool::Catalog catalog;
    if (!catalog.add(std::move(pool))) std::abort();
    return catalog;
}

/// Everything that was read, as one text. (Reading throws where simdjson and the checker of faults
/// do not agree.)
std::string read(std::string_view body, char after) {
    static const ringpool::Catalog catalog = make_catalog();
    static api::NumbersReader reader(catalog, {});
    static api::NumbersRequest request;
    static const api::NumbersWriter writer;

    std::string bytes(body);
    bytes.append(http::Request::kBodyPadding, after);
    request.clear(kKeepBytes);
    std::string seen;
    if (const auto refused =
            reader.read_body(std::string_view(bytes).substr(0, body.size()), request)) {
        return refused->message;
    }
    if (api::find_json_fault(body)) std::abort();
    std::size_t good = request.rows().size();
    for (const auto& row : request.rows()) {
        if (!row.error) continue;
        --good;
        writer.append_error(seen, row.request_id, *row.error);
        if (api::find_json_fault(std::string_view(seen).substr(seen.rfind('\n') + 1))) std::abort();
        seen += '\n';
    }
    if (good != request.allocations().size()) std::abort();
    for (const auto& allocation : request.allocations()) {
        const ringpool::Context context = allocation.session.context;
        if (!ringpool::Context::is_canonical(context.bytes())) std::abort();
        seen.append(context.bytes()).append(allocation.session.id.value_or("none"));
    }
    return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view body(reinterpret_cast<const char*>(data), size);
    const std::string seen = read(body, '\0');
    for (const char after : {',', '}', ']', '"'}) {
        if (read(body, after) != seen) std::abort();
    }
    return 0;
}
