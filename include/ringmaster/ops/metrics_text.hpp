#pragma once

#include "ringmaster/base/histogram.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace ringmaster::ops {

/// The name and the value of a label, e.g. {"reason", "exhausted"}.
using Label = std::pair<std::string_view, std::string_view>;
using Labels = std::initializer_list<Label>;

/// The buckets of all histograms of durations: from 10 microseconds to 3 seconds, six to a power of
/// ten: each is at most 5/3 of the one before, and so is the error of a quantile.
std::span<const Histogram::Duration> duration_bounds() noexcept;

/// Writes metrics in the text format of Prometheus, version 0.0.4
/// (prometheus.io/docs/instrumenting/ exposition_formats). All samples carry the labels that the
/// writer was made with, in front of their own. Durations are told in seconds.
///
/// A *family* is all samples of one name, and they must stand together: so begin each once, and
/// write all of its samples before the next.
class MetricsText {
  public:
    static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

    /// Names and values of labels are text without limits of form; values are escaped.
    MetricsText(Labels common = {});

    void begin_counter(std::string_view name, std::string_view help) {
        begin(name, help, "counter");
    }
    void begin_gauge(std::string_view name, std::string_view help) { begin(name, help, "gauge"); }
    void begin_histogram(std::string_view name, std::string_view help) {
        begin(name, help, "histogram");
    }

    /// Of the counter or gauge that was begun last.
    void sample(std::uint64_t value, Labels labels = {});
    void sample(Histogram::Duration value, Labels labels = {});
    /// Of a gauge; with six digits that count. Precondition: it is finite.
    void sample_real(double value, Labels labels = {});
    /// Of the histogram that was begun last, with the bounds of duration_bounds().
    void sample(const Histogram& durations, Labels labels = {});
    /// Of the histogram that was begun last: counts[i] is how many values were at most 2^i and more
    /// than 2^(i-1); of the last one, how many were more than that. `sum` is that of all values.
    void sample_powers_of_two(std::span<const std::uint64_t> counts, std::uint64_t sum,
                              Labels labels = {});

    const std::string& text() const noexcept { return text_; }
    std::string take() && { return std::move(text_); }

  private:
    void begin(std::string_view name, std::string_view help, std::string_view type);
    void append_name(std::string_view suffix, Labels labels, Label last = {});
    void line(std::string_view suffix, Labels labels, Label last, std::string_view value);

    std::string common_;  ///< as they stand between braces
    std::string name_;    ///< of the family that was begun last
    std::string text_;
};

/// One text of several in which every family stands once, with the samples of all. The texts are
/// such as MetricsText writes them; families come in the order in which they appear first.
std::string merge_metrics(std::span<const std::string> texts);

}  // namespace ringmaster::ops
