#include "ringmaster/ops/metrics_text.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::ops {
namespace {

using namespace std::chrono_literals;

TEST(MetricsText, WritesCountersAndGauges) {
    MetricsText metrics;
    metrics.begin_counter("requests_total", "Requests answered.");
    metrics.sample(std::uint64_t{17});
    metrics.begin_gauge("age_seconds", "How old.");
    metrics.sample(1500ms);
    EXPECT_EQ(metrics.text(),
              "# HELP requests_total Requests answered.\n"
              "# TYPE requests_total counter\n"
              "requests_total 17\n"
              "# HELP age_seconds How old.\n"
              "# TYPE age_seconds gauge\n"
              "age_seconds 1.5\n");
}

TEST(MetricsText, WritesRealNumbers) {
    MetricsText metrics;
    metrics.begin_gauge("ratio", "A share.");
    for (const double value : {0.0, 0.25, 1234567.0, 2.5e-9}) metrics.sample_real(value);
    EXPECT_EQ(metrics.text(),
              "# HELP ratio A share.\n# TYPE ratio gauge\n"
              "ratio 0\nratio 0.25\nratio 1.23457e+06\nratio 2.5e-09\n");
}

TEST(MetricsText, PutsCommonLabelsInFront) {
    MetricsText metrics({{"shard", "3"}});
    metrics.begin_gauge("window", "Calls.");
    metrics.sample(std::uint64_t{1});
    metrics.sample(std::uint64_t{2}, {{"owner", "0"}, {"state", "healthy"}});
    EXPECT_EQ(metrics.text(),
              "# HELP window Calls.\n# TYPE window gauge\n"
              "window{shard=\"3\"} 1\n"
              "window{shard=\"3\",owner=\"0\",state=\"healthy\"} 2\n");
}

TEST(MetricsText, EscapesValuesOfLabels) {
    MetricsText metrics;
    metrics.begin_gauge("a", "B.");
    metrics.sample(std::uint64_t{1}, {{"pool", "a\"b\\c\nd"}});
    EXPECT_NE(metrics.text().find("a{pool=\"a\\\"b\\\\c\\nd\"} 1\n"), std::string::npos);
}

TEST(MetricsText, WritesDurationsAsAHistogram) {
    Histogram lag;
    for (const auto duration : {9us, 120us, 120us, 4'000'000us}) lag.record(duration);
    MetricsText metrics;
    metrics.begin_histogram("lag_seconds", "Lag.");
    metrics.sample(lag, {{"x", "y"}});
    const std::string& text = metrics.text();
    EXPECT_TRUE(
        text.starts_with("# HELP lag_seconds Lag.\n# TYPE lag_seconds histogram\n"
                         "lag_seconds_bucket{x=\"y\",le=\"1e-05\"} 1\n"));
    EXPECT_NE(text.find("le=\"0.0001\"} 1\nlag_seconds_bucket{x=\"y\",le=\"0.00015\"} 3\n"),
              text.npos);
    EXPECT_TRUE(
        text.ends_with("lag_seconds_bucket{x=\"y\",le=\"3\"} 3\n"
                       "lag_seconds_bucket{x=\"y\",le=\"+Inf\"} 4\n"
                       "lag_seconds_sum{x=\"y\"} 4.000249\n"
                       "lag_seconds_count{x=\"y\"} 4\n"));
}

TEST(MetricsText, HasBoundsThatAscend) {
    const auto bounds = duration_bounds();
    EXPECT_TRUE(std::ranges::is_sorted(bounds, std::less_equal<>()));
    EXPECT_EQ(bounds.front(), 10us);
    EXPECT_EQ(bounds.back(), 3s);
    for (const auto bound : {50ms, 100ms, 1000ms}) {  // that alerts want to ask for
        EXPECT_TRUE(std::ranges::find(bounds, bound) != bounds.end()) << bound.count();
    }
}

TEST(MetricsText, CountsUpHistograms) {
    const std::array<std::uint64_t, 4> counts = {5, 0, 2, 1};
    MetricsText metrics;
    metrics.begin_histogram("rows", "Rows.");
    metrics.sample_powers_of_two(counts, 40);
    EXPECT_EQ(metrics.text(),
              "# HELP rows Rows.\n# TYPE rows histogram\n"
              "rows_bucket{le=\"1\"} 5\n"
              "rows_bucket{le=\"2\"} 5\n"
              "rows_bucket{le=\"4\"} 7\n"
              "rows_bucket{le=\"+Inf\"} 8\n"
              "rows_sum 40\nrows_count 8\n");
}

TEST(MergeMetrics, PutsTheSamplesOfAFamilyTogether) {
    const auto shard = [](std::string_view name) {
        MetricsText metrics({{"shard", name}});
        metrics.begin_counter("a_total", "A.");
        metrics.sample(std::uint64_t{1});
        metrics.begin_gauge("b", "B.");
        metrics.sample(std::uint64_t{2});
        return std::move(metrics).take();
    };
    const std::vector<std::string> texts = {shard("0"), shard("1")};
    EXPECT_EQ(merge_metrics(texts),
              "# HELP a_total A.\n# TYPE a_total counter\n"
              "a_total{shard=\"0\"} 1\na_total{shard=\"1\"} 1\n"
              "# HELP b B.\n# TYPE b gauge\n"
              "b{shard=\"0\"} 2\nb{shard=\"1\"} 2\n");
}

// Of shards of different versions, during a rolling restart.
TEST(MergeMetrics, KeepsWhatOnlyOneHas) {
    const std::vector<std::string> texts = {
        "# HELP a A.\n# TYPE a gauge\na 1\n",
        "# HELP b B.\n# TYPE b gauge\nb 2\n# HELP a Another text.\n# TYPE a gauge\na{x=\"y\"} 3"};
    EXPECT_EQ(merge_metrics(texts),
              "# HELP a A.\n# TYPE a gauge\na 1\na{x=\"y\"} 3\n"
              "# HELP b B.\n# TYPE b gauge\nb 2\n");
}

TEST(MergeMetrics, LeavesOutWhatBelongsToNoFamily) {
    const std::vector<std::string> texts = {"", "nonsense\n\n", "# HELP a A.\n"};
    EXPECT_EQ(merge_metrics(texts), "# HELP a A.\n");
}

}  // namespace
}  // namespace ringmaster::ops
