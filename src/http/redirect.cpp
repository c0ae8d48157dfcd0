#include "redirect.hpp"

#include <cstddef>
#include <utility>

#include "grammar.hpp"

namespace ringmaster::http {
namespace {

bool is_redirect(int status) noexcept {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// After 301 and 302 only a POST changes: what everybody does, and RFC 9110, 15.4.2 allows.
bool becomes_get(Method method, int status) noexcept {
    if (status == 303) return method != Method::head;
    return (status == 301 || status == 302) && method == Method::post;
}

/// Those of RFC 9110, 15.4 that tell of the content, and go with it.
bool is_about_content(std::string_view name) noexcept {
    return equals_ignoring_case(name.substr(0, 8), "Content-") ||
           equals_ignoring_case(name, "Digest") || equals_ignoring_case(name, "Last-Modified");
}

std::string_view without_default_port(std::string_view authority) noexcept {
    if (authority.ends_with(":80")) authority.remove_suffix(2);
    if (authority.ends_with(':')) authority.remove_suffix(1);
    return authority;
}

/// RFC 3986, 5.2.4, of a path that begins with a slash.
std::string without_dot_segments(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        const std::string_view segment = path.substr(0, path.find('/', 1));  // and the slash before
        path.remove_prefix(segment.size());
        if (segment != "/." && segment != "/..") {
            out += segment;
            continue;
        }
        if (segment == "/.." && !out.empty()) out.erase(out.rfind('/'));
        if (path.empty()) out += '/';
    }
    return out;
}

/// RFC 3986, 5.2.2; nothing for another origin.
std::optional<std::string> resolve(std::string_view reference, std::string_view base,
                                   std::string_view host) {
    reference = reference.substr(0, reference.find('#'));
    const std::size_t colon = reference.find_first_of(":/?");
    const bool has_scheme = colon != reference.npos && reference[colon] == ':';
    if (has_scheme) {
        if (!equals_ignoring_case(reference.substr(0, colon), "http")) return std::nullopt;
        reference.remove_prefix(colon + 1);
    }
    const bool has_authority = reference.starts_with("//");
    if (has_authority) {
        reference.remove_prefix(2);
        const auto authority = reference.substr(0, reference.find_first_of("/?"));
        if (!equals_ignoring_case(without_default_port(authority), without_default_port(host))) {
            return std::nullopt;
        }
        reference.remove_prefix(authority.size());
    } else if (has_scheme) {
        return std::nullopt;
    }

    const std::string_view path = reference.substr(0, reference.find('?'));
    const std::string_view query = reference.substr(path.size());
    const std::string_view base_path = base.substr(0, base.find('?'));
    std::string whole;
    if (path.starts_with('/')) {
        whole = without_dot_segments(path);
    } else if (has_authority) {
        whole = "/";
    } else if (path.empty()) {
        whole = query.empty() ? base : base_path;
    } else {
        whole = base_path.substr(0, base_path.rfind('/') + 1);
        whole = without_dot_segments(whole.append(path));
    }
    return whole.append(query);
}

}  // namespace

std::optional<std::string> redirect_target(const ClientRequest& request, bool has_source,
                                           const ResponseHead& answer, std::string_view host) {
    if (!is_redirect(answer.status)) return std::nullopt;
    if (has_source && !becomes_get(request.method, answer.status)) return std::nullopt;
    const auto location = answer.field("Location");
    if (!location) return std::nullopt;
    auto target = resolve(*location, request.target, host);
    if (!target || !is_target(*target)) return std::nullopt;
    return target;
}

ClientRequest redirected(const ClientRequest& request, int status, std::string target) {
    ClientRequest next = request;
    next.target = std::move(target);
    if (becomes_get(request.method, status)) {
        next.method = Method::get;
        next.body.clear();
        std::erase_if(next.fields, [](const auto& field) { return is_about_content(field.first); });
    }
    return next;
}

}  // namespace ringmaster::http
