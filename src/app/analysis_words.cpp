#include "analysis_words.hpp"

#include "ringmaster/app/table.hpp"
#include "ringmaster/base/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace ringmaster::app {
namespace {

using ops::Analysis;
using ops::TimeParts;

constexpr std::array kParts = {
    Part{"running", "has the shard's thread", "█", &TimeParts::running},
    Part{"stalled", "is ready, and others have the thread", "▚", &TimeParts::stalled},
    Part{"journal", "waits for the shard's own writing", "▒", &TimeParts::journal},
    Part{"shards", "waits for the shard that owns the pool", "▄", &TimeParts::shards},
    Part{"redis", "waits for Redis", "▌", &TimeParts::redis},
    Part{"other", "waits for a client, a time, a lock", "·", &TimeParts::other},
    Part{"queued", "has not come to the shard yet", "─", &TimeParts::queued},
};

bool has(const ops::RequestTimes& times, const Part& part) {
    return times.mean.*part.seconds > 0 ||
           std::ranges::any_of(times.bands,
                               [&](const ops::Band& band) { return band.mean.*part.seconds > 0; });
}

std::string fixed(double value, int decimals) {
    std::array<char, 40> text{};
    (void)std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
    return text.data();
}

std::string time_text(WallTime time) {
    std::string text;
    append_utc(text, time);
    return human_time(text);
}

}  // namespace

std::vector<Part> parts_of(const Analysis& analysis) {
    std::vector<Part> parts;
    for (const Part& part : kParts) {
        const auto of = [&](const ops::RequestTimes& times) { return has(times, part); };
        if (parts.size() < 2 || of(analysis.all) || std::ranges::any_of(analysis.endpoints, of)) {
            parts.push_back(part);
        }
    }
    return parts;
}

std::vector<double> part_ends(const TimeParts& times, const std::vector<Part>& parts,
                              double width) {
    const double whole = with_queue(times);
    std::vector<double> ends;
    double sum = 0;
    for (const Part& part : parts) {
        sum += times.*part.seconds;
        ends.push_back(whole > 0 ? share(sum / whole) * width : 0);
    }
    return ends;
}

double with_queue(const TimeParts& times) noexcept {
    return times.total() + times.queued;
}

double share_of_time(const ops::RequestTimes& times, const Analysis& analysis) noexcept {
    const auto sum = [](const ops::RequestTimes& of) {
        return static_cast<double>(of.requests) * of.mean.total();
    };
    return share(sum(times) / sum(analysis.all));
}

double share(double value) noexcept {
    return value > 0 ? std::min(value, 1.0) : 0;  // what is not a number is not above 0
}

std::string number_text(double number) {
    constexpr double kMost = 1e15;
    if (std::isnan(number)) return "–";
    if (number > kMost) return "∞";
    if (number < 0.0005) return "0";
    // By what it is when it has been rounded.
    if (number < 0.9995) return fixed(number, 3);
    if (number < 9.995) return fixed(number, 2);
    if (number < 99.95) return fixed(number, 1);
    return with_thousands(static_cast<std::uint64_t>(std::llround(number)));
}

std::string duration_text(double seconds) {
    if (!(seconds >= 0.5e-9)) return std::isnan(seconds) ? "–" : "0";
    if (seconds < 999.5e-6) return number_text(seconds * 1e6) + " us";
    if (seconds < 999.5e-3) return number_text(seconds * 1e3) + " ms";
    if (seconds < 9999.5) return number_text(seconds) + " s";
    return number_text(seconds / 3600) + " h";
}

std::string percent_text(double share) {
    return fixed(100 * app::share(share), 1) + " %";
}

std::string times_text(double times) {
    return times >= 999.5 ? "> 999" : number_text(times);
}

std::string band_name(const ops::Band& band) {
    std::array<char, 64> text{};
    (void)std::snprintf(text.data(), text.size(), "p%.4g-%.4g", 100 * share(band.from),
                        100 * share(band.to));
    return text.data();
}

std::string_view zone_name(ops::Zone zone) noexcept {
    switch (zone) {
        case ops::Zone::easy: return "easy";
        case ops::Zone::usual: return "usual";
        case ops::Zone::knee: return "past the knee";
    }
    return "";
}

std::string when_text(const Analysis& analysis) {
    if (analysis.begin == WallTime()) return "";
    return "from " + time_text(analysis.begin) + " to " + time_text(analysis.end) + ", " +
           observed_text(analysis.observed) + " of it observed";
}

std::string observed_text(double seconds) {
    const double whole = seconds > 0 ? std::min(seconds, 1e12) : 0;
    return human_duration(static_cast<std::uint64_t>(std::llround(whole)));
}

std::vector<Need> needs_of(const Analysis& analysis) {
    std::vector<Need> needs;
    if (!analysis.shards.empty()) {
        needs.push_back({"shards needed",
                         (analysis.shards_needed ? with_thousands(*analysis.shards_needed)
                                                 : std::string("no number of them is enough")) +
                             " (there are " + with_thousands(analysis.shards.size()) + ")"});
    }
    if (analysis.primaries_needed) {
        needs.push_back({"Redis primaries needed", with_thousands(*analysis.primaries_needed) +
                                                       " (there are " +
                                                       with_thousands(analysis.primaries) + ")"});
    }
    if (analysis.connections_needed) {
        needs.push_back({"connections needed",
                         with_thousands(*analysis.connections_needed) + " of each shard to Redis"});
    }
    if (analysis.checkout_timeout) {
        needs.push_back({"checkout timeout", duration_text(*analysis.checkout_timeout)});
    }
    return needs;
}

}  // namespace ringmaster::app
