#include "ringmaster/ops/metrics_reading.hpp"

#include "ringmaster/base/histogram.hpp"
#include "ringmaster/ops/metrics_text.hpp"

#include <chrono>
#include <string>

#include <gtest/gtest.h>

namespace ringmaster::ops {
namespace {

using namespace std::chrono_literals;

TEST(MetricsReading, FindsWhatWasWritten) {
    MetricsText metrics({{"shard", "1"}});
    metrics.begin_counter("rows_total", "Rows.");
    metrics.sample(std::uint64_t{18'000'000'000'000'000'000u}, {{"reason", "a"}});
    metrics.sample(std::uint64_t{5}, {{"reason", "b"}});
    metrics.begin_gauge("age_seconds", "Age, in {curly} = \"braces\" 1");
    metrics.sample(1500ms);
    const MetricsReading reading(metrics.text());
    EXPECT_EQ(reading.sum("rows_total"), 18e18 + 5);
    EXPECT_EQ(reading.sum("rows_total", "reason", "b"), 5);
    EXPECT_EQ(reading.sum("rows_total", "shard", "1"), 18e18 + 5);
    EXPECT_EQ(reading.sum("age_seconds"), 1.5);
    ASSERT_EQ(reading.samples("rows_total").size(), 2u);
    EXPECT_EQ(reading.samples("rows_total")[1].label("reason"), "b");
    EXPECT_EQ(reading.samples("rows_total")[1].label("shard"), "1");
    EXPECT_EQ(reading.samples("rows_total")[1].label("reas"), std::nullopt);
    EXPECT_TRUE(reading.samples("rows").empty());
    EXPECT_EQ(reading.sum("rows"), 0);
}

TEST(MetricsReading, ReadsLabelsWhoseValuesNeededEscapes) {
    MetricsText metrics;
    metrics.begin_gauge("a", "A.");
    metrics.sample(std::uint64_t{1}, {{"x", "\",y=\"2\\"}, {"z", "3"}});
    const MetricsReading reading(metrics.text());
    ASSERT_EQ(reading.samples("a").size(), 1u);
    EXPECT_EQ(reading.samples("a")[0].label("x"), "\\\",y=\\\"2\\\\");
    EXPECT_EQ(reading.samples("a")[0].label("y"), std::nullopt);
    EXPECT_EQ(reading.samples("a")[0].label("z"), "3");
}

TEST(MetricsReading, LeavesOutWhatIsNoSample) {
    const MetricsReading reading(
        "nonsense\n\n# HELP a 1\na\na{x=\"y\" 1\nb x\nc 1x\nd{x=\"y} 7\n e 1\nf 2");
    EXPECT_EQ(reading.sum("a"), 0);
    EXPECT_EQ(reading.sum("b"), 0);
    EXPECT_EQ(reading.sum("c"), 0);
    EXPECT_EQ(reading.sum("f"), 2);
    EXPECT_EQ(reading.sum("d", "x", "y"), 0);
}

std::string text_of(const Histogram& one, const Histogram& other) {
    MetricsText metrics;
    metrics.begin_histogram("t_seconds", "T.");
    metrics.sample(one, {{"group", "one"}});
    metrics.sample(other, {{"group", "other"}});
    return metrics.text();
}

TEST(DurationCounts, AreThoseOfAHistogram) {
    Histogram one;
    Histogram other;
    for (int i = 0; i < 98; ++i) one.record(120us);
    one.record(40ms);
    one.record(5s);
    other.record(2ms);
    const MetricsReading reading(text_of(one, other));

    DurationCounts counts;
    EXPECT_EQ(counts.quantile(0.5), std::nullopt);
    counts.add(reading, "t_seconds", "group", "one");
    EXPECT_EQ(counts.count(), 100);
    EXPECT_NEAR(*counts.quantile(0.5), 0.000125, 0.000002);  // between 100 and 150 us
    EXPECT_NEAR(*counts.quantile(0.99), 0.050, 0.0001);
    EXPECT_EQ(*counts.quantile(1), 3);  // which is all that is known of it

    DurationCounts all;
    all.add(reading, "t_seconds");
    EXPECT_EQ(all.count(), 101);
    all.add(counts);
    EXPECT_EQ(all.count(), 201);
}

TEST(DurationCounts, TellWhatHasComeSince) {
    Histogram one;
    one.record(120us);
    const MetricsReading before(text_of(one, {}));
    for (int i = 0; i < 10; ++i) one.record(40ms);
    const MetricsReading after(text_of(one, {}));
    DurationCounts earlier;
    earlier.add(before, "t_seconds");
    DurationCounts counts;
    counts.add(after, "t_seconds");
    counts.subtract(earlier);
    EXPECT_EQ(counts.count(), 10);
    EXPECT_GT(*counts.quantile(0.01), 0.03);

    // Of a process that began anew, everything is new.
    earlier.subtract(counts);
    EXPECT_EQ(earlier.count(), 1);
}

}  // namespace
}  // namespace ringmaster::ops
