#include "ringmaster/ops/metrics_text.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <unordered_map>
#include <vector>

namespace ringmaster::ops {
namespace {

constexpr std::string_view kHelp = "# HELP ";

constexpr auto kBounds = [] {
    constexpr std::array kSteps = {10, 15, 20, 30, 50, 70};
    std::array<Histogram::Duration, 5 * kSteps.size() + 4> bounds{};
    std::int64_t unit_ns = 1'000;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        if (i > 0 && i % kSteps.size() == 0) unit_ns *= 10;
        bounds[i] = Histogram::Duration(kSteps[i % kSteps.size()] * unit_ns);
    }
    return bounds;
}();

void append_label(std::string& out, const Label& label) {
    if (!out.empty() && out.back() != '{') out += ',';
    out.append(label.first).append("=\"");
    for (const char c : label.second) {
        if (c == '\n') {
            out += "\\n";
            continue;
        }
        if (c == '\\' || c == '"') out += '\\';
        out += c;
    }
    out += '"';
}

std::string seconds(Histogram::Duration duration) {
    char text[40];
    const int size =
        std::snprintf(text, sizeof text, "%.12g", std::chrono::duration<double>(duration).count());
    return {text, static_cast<std::size_t>(size)};
}

/// The word behind the prefix of a line, and what stands behind that word.
std::string_view word_at(std::string_view line, std::size_t begin) noexcept {
    const std::string_view rest = line.substr(begin);
    return rest.substr(0, rest.find(' '));
}

}  // namespace

std::span<const Histogram::Duration> duration_bounds() noexcept {
    return kBounds;
}

MetricsText::MetricsText(Labels common) {
    for (const Label& label : common) append_label(common_, label);
}

void MetricsText::begin(std::string_view name, std::string_view help, std::string_view type) {
    name_ = name;
    text_.append(kHelp).append(name).append(" ").append(help);
    text_.append("\n# TYPE ").append(name).append(" ").append(type) += '\n';
}

void MetricsText::append_name(std::string_view suffix, Labels labels, Label last) {
    text_.append(name_).append(suffix);
    if (common_.empty() && labels.size() == 0 && last.first.empty()) return;
    text_.append("{").append(common_);
    for (const Label& label : labels) append_label(text_, label);
    if (!last.first.empty()) append_label(text_, last);
    text_ += '}';
}

void MetricsText::line(std::string_view suffix, Labels labels, Label last, std::string_view value) {
    append_name(suffix, labels, last);
    text_.append(" ").append(value) += '\n';
}

void MetricsText::sample(std::uint64_t value, Labels labels) {
    line("", labels, {}, std::to_string(value));
}

void MetricsText::sample(Histogram::Duration value, Labels labels) {
    line("", labels, {}, seconds(value));
}

void MetricsText::sample_real(double value, Labels labels) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", value);
    line("", labels, {}, text);
}

void MetricsText::sample(const Histogram& durations, Labels labels) {
    std::array<std::uint64_t, kBounds.size()> counts;
    durations.count_up_to(kBounds, counts);
    for (std::size_t i = 0; i < kBounds.size(); ++i) {
        line("_bucket", labels, {"le", seconds(kBounds[i])}, std::to_string(counts[i]));
    }
    line("_bucket", labels, {"le", "+Inf"}, std::to_string(durations.count()));
    line("_sum", labels, {}, seconds(durations.sum()));
    line("_count", labels, {}, std::to_string(durations.count()));
}

void MetricsText::sample_powers_of_two(std::span<const std::uint64_t> counts, std::uint64_t sum,
                                       Labels labels) {
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        so_far += counts[i];
        const bool last = i + 1 == counts.size();
        const std::string most = last ? "+Inf" : std::to_string(std::uint64_t{1} << i);
        line("_bucket", labels, {"le", most}, std::to_string(so_far));
    }
    line("_sum", labels, {}, std::to_string(sum));
    line("_count", labels, {}, std::to_string(so_far));
}

std::string merge_metrics(std::span<const std::string> texts) {
    struct Family {
        std::string head;
        std::string samples;
    };
    std::vector<Family> families;
    std::unordered_map<std::string_view, std::size_t> index;  // by name, in `texts`
    for (const std::string& text : texts) {
        Family* family = nullptr;
        bool is_new = false;
        for (std::string_view rest = text; !rest.empty();) {
            const std::string_view line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(line.size() + 1, rest.size()));
            if (line.starts_with(kHelp)) {
                const auto [found, added] =
                    index.try_emplace(word_at(line, kHelp.size()), families.size());
                if (added) families.emplace_back();
                family = &families[found->second];
                is_new = added;
            }
            if (family == nullptr) continue;
            const bool is_head = line.starts_with('#');
            if (is_head && !is_new) continue;
            (is_head ? family->head : family->samples).append(line) += '\n';
        }
    }
    std::string merged;
    for (const Family& family : families) merged.append(family.head).append(family.samples);
    return merged;
}

}  // namespace ringmaster::ops
