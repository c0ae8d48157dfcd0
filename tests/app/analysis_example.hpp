#pragma once

#include "ringmaster/ops/analysis.hpp"

#include <chrono>

namespace ringmaster::app {

/// Two shards, one of them past the knee, with an answer for everything that an analysis may tell.
inline ops::Analysis example_analysis() {
    using namespace std::chrono_literals;
    using ops::Finding;
    const WallTime begin = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21) + 9h;
    const ops::TimeParts quick = {.running = 40e-6, .stalled = 10e-6, .journal = 50e-6};
    const ops::TimeParts slow = {.running = 100e-6,
                                 .stalled = 900e-6,
                                 .journal = 3e-3,
                                 .shards = 1e-3,
                                 .other = 5e-3,
                                 .queued = 10e-3};
    const ops::TimeParts mean = {.running = 46e-6,
                                 .stalled = 54.5e-6,
                                 .journal = 197.5e-6,
                                 .shards = 50e-6,
                                 .other = 250e-6,
                                 .queued = 500e-6};
    return {
        .begin = begin,
        .end = begin + 1h,
        .observed = 3600,
        .all = {.endpoint = "",
                .requests = 3'600'000,
                .per_second = 1000,
                .mean = mean,
                .bands = {{.from = 0, .to = 0.99, .longest = 1.2e-3, .mean = quick},
                          {.from = 0.99, .to = 0.999, .longest = 0.25, .mean = slow}}},
        .endpoints = {{.endpoint = "POST /numbers",
                       .requests = 3'000'000,
                       .per_second = 833.333,
                       .mean = mean,
                       .bands = {{.from = 0, .to = 1, .longest = 0.25, .mean = mean}}},
                      {.endpoint = "others",
                       .requests = 600'000,
                       .per_second = 166.667,
                       .mean = mean,
                       .bands = {}}},
        .shards = {{.shard = 0,
                    .observed = 3600,
                    .utilisation = 0.3,
                    .busiest = 0.4,
                    .cpu = 0.31,
                    .zone = ops::Zone::easy,
                    .stretch = 1 / 0.6,
                    .per_second = 300,
                    .rows_per_second = 12'345,
                    .lag_p50 = 12e-6,
                    .lag_p99 = 1500e-6,
                    .lag_p999 = 20e-3},
                   {.shard = 1,
                    .observed = 1800,
                    .utilisation = 0.7,
                    .busiest = 0.8,
                    .cpu = 1.02,
                    .zone = ops::Zone::knee,
                    .stretch = 5,
                    .per_second = 700,
                    .rows_per_second = 0,
                    .lag_p50 = 100e-6,
                    .lag_p99 = 10e-3,
                    .lag_p999 = 2}},
        .redis = {{.name = "10.0.0.7:6379",
                   .observed = 3596,
                   .utilisation = 0.2,
                   .busiest = 0.35,
                   .zone = ops::Zone::easy,
                   .headroom = 2},
                  {.name = "unix:/run/redis.sock",
                   .observed = 1800,
                   .utilisation = 0.001,
                   .busiest = 0.001,
                   .zone = ops::Zone::easy,
                   .headroom = 700}},
        .primaries = 2,
        .shards_needed = 3,
        .primaries_needed = 1,
        .connections_needed = 4,
        .checkout_timeout = 0.025,
        .findings = {{"shards", Finding::Weight::act, "3 shards instead of 2 are needed",
                      "1.20 / 0.54 = 2.23"},
                     {"balance", Finding::Weight::notice,
                      "shard 1 has more to do than the others. The kernel deals connections to "
                      "shards by chance: with few, or busy ones, that is uneven",
                      "shard 1 is busy for 0.80 of the time, the others for 0.40"},
                     {"concurrency", Finding::Weight::fine, "0.6 requests are in work at one time",
                      ""}},
    };
}

}  // namespace ringmaster::app
