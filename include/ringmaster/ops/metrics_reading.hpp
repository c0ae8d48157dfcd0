#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ringmaster::ops {

/// What a text of MetricsText says. Lines that are none of its samples are left out.
class MetricsReading {
  public:
    struct Sample {
        std::string_view labels;  ///< as they stand between the braces
        double value = 0;

        /// The value of a label, with its escapes; none where it has no such label.
        std::optional<std::string_view> label(std::string_view name) const noexcept;
        /// Whether it has the label with this value.
        bool has(std::string_view name, std::string_view expected) const noexcept {
            return label(name) == expected;
        }
    };

    explicit MetricsReading(std::string text);
    // The samples point into the text.
    MetricsReading(const MetricsReading&) = delete;
    MetricsReading& operator=(const MetricsReading&) = delete;

    /// All of one name ("..._bucket" is a name of its own), as they come; none where there are
    /// none.
    std::span<const Sample> samples(std::string_view name) const noexcept;
    /// The sum of all of one name; 0 where there are none.
    double sum(std::string_view name) const noexcept;
    /// Likewise, of those with this label.
    double sum(std::string_view name, std::string_view label,
               std::string_view value) const noexcept;

  private:
    const std::string text_;
    std::unordered_map<std::string_view, std::vector<Sample>> samples_;
};

/// A histogram of durations: for each of duration_bounds(), and without a bound at the end, how
/// many were at most as long.
class DurationCounts {
  public:
    DurationCounts();

    /// Adds the samples of `name` + "_bucket"; where `label` is not empty, only of those that have
    /// it with this value.
    void add(const MetricsReading& reading, std::string_view name, std::string_view label = {},
             std::string_view value = {});
    /// Takes off what was counted before. Where that is not less, e.g. because the process was
    /// started again, nothing is.
    void subtract(const DurationCounts& before) noexcept;
    void add(const DurationCounts& other) noexcept;

    double count() const noexcept { return counts_.back(); }
    /// In seconds: linear between the bounds of the bucket in which it lies, as Prometheus'
    /// histogram_quantile() has it; the longest bound where it is longer. None where there is no
    /// duration.
    std::optional<double> quantile(double q) const noexcept;

  private:
    std::vector<double> counts_;
};

}  // namespace ringmaster::ops
