#include "ringmaster/ops/metrics_reading.hpp"

#include "ringmaster/ops/metrics_text.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

namespace ringmaster::ops {
namespace {

std::string_view take_line(std::string_view& text) noexcept {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    return line;
}

double seconds(Histogram::Duration duration) noexcept {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace

std::optional<std::string_view> MetricsReading::Sample::label(
    std::string_view name) const noexcept {
    for (std::string_view rest = labels; !rest.empty();) {
        const std::string_view key = rest.substr(0, rest.find("=\""));
        rest.remove_prefix(std::min(key.size() + 2, rest.size()));
        std::size_t end = 0;
        while (end < rest.size() && rest[end] != '"') end += rest[end] == '\\' ? 2 : 1;
        if (end >= rest.size()) return std::nullopt;
        if (key == name) return rest.substr(0, end);
        rest.remove_prefix(std::min(end + 2, rest.size()));  // and the comma
    }
    return std::nullopt;
}

MetricsReading::MetricsReading(std::string text) : text_(std::move(text)) {
    for (std::string_view rest = text_; !rest.empty();) {
        const std::string_view line = take_line(rest);
        const std::size_t blank = line.rfind(' ');
        if (line.starts_with('#') || blank == line.npos) continue;
        Sample sample;
        const auto [end, error] =
            std::from_chars(line.data() + blank + 1, line.data() + line.size(), sample.value);
        if (error != std::errc() || end != line.data() + line.size()) continue;
        std::string_view name = line.substr(0, blank);
        if (const std::size_t brace = name.find('{'); brace != name.npos) {
            if (!name.ends_with('}')) continue;
            sample.labels = name.substr(brace + 1, name.size() - brace - 2);
            name = name.substr(0, brace);
        }
        samples_[name].push_back(sample);
    }
}

std::span<const MetricsReading::Sample> MetricsReading::samples(
    std::string_view name) const noexcept {
    const auto found = samples_.find(name);
    if (found == samples_.end()) return {};
    return found->second;
}

double MetricsReading::sum(std::string_view name) const noexcept {
    double sum = 0;
    for (const Sample& sample : samples(name)) sum += sample.value;
    return sum;
}

double MetricsReading::sum(std::string_view name, std::string_view label,
                           std::string_view value) const noexcept {
    double sum = 0;
    for (const Sample& sample : samples(name)) {
        if (sample.has(label, value)) sum += sample.value;
    }
    return sum;
}

DurationCounts::DurationCounts() : counts_(duration_bounds().size() + 1) {}

void DurationCounts::add(const MetricsReading& reading, std::string_view name,
                         std::string_view label, std::string_view value) {
    std::size_t bucket = 0;
    for (const auto& sample : reading.samples(std::string(name) + "_bucket")) {
        // They come in order, histogram after histogram.
        if (bucket == counts_.size()) bucket = 0;
        const std::size_t i = bucket++;
        if (label.empty() || sample.has(label, value)) counts_[i] += sample.value;
    }
}

void DurationCounts::subtract(const DurationCounts& before) noexcept {
    if (before.count() > count()) return;
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] -= before.counts_[i];
}

void DurationCounts::add(const DurationCounts& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

std::optional<double> DurationCounts::quantile(double q) const noexcept {
    if (count() <= 0) return std::nullopt;
    const double rank = q * count();
    const auto bounds = duration_bounds();
    const auto bucket =
        static_cast<std::size_t>(std::ranges::lower_bound(counts_, rank) - counts_.begin());
    if (bucket >= bounds.size()) return seconds(bounds.back());
    const double below = bucket == 0 ? 0 : counts_[bucket - 1];
    const double from = bucket == 0 ? 0 : seconds(bounds[bucket - 1]);
    const double within = counts_[bucket] - below;
    const double part = within > 0 ? (rank - below) / within : 1;
    return from + (seconds(bounds[bucket]) - from) * part;
}

}  // namespace ringmaster::ops
