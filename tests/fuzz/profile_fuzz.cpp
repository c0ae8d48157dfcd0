// What another shard, or a file, tells of how it spends its time.
//
// What can be read is written as it was read; whatever it says can be subtracted, added, analysed
// and reported, and no report has a number that is none.

#include "ringmaster/api/json_text.hpp"
#include "ringmaster/app/analysis_page.hpp"
#include "ringmaster/app/analysis_report.hpp"
#include "ringmaster/ops/analysis.hpp"
#include "ringmaster/ops/shard_profile.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz_target.hpp"

namespace {

using namespace ringmaster;
using namespace ringmaster::fuzz;
using ops::ShardProfile;

std::string written(const ops::DecodedProfiles& decoded) {
    std::string text;
    for (const ShardProfile& profile : decoded.profiles) ops::append_profile(text, profile);
    for (const std::uint32_t shard : decoded.missing) ops::append_missing(text, shard);
    return text;
}

void check_reports(const std::vector<ShardProfile>& profiles) {
    const ops::Analysis analysis = ops::analyse(profiles, {});
    const std::string json = app::analysis_json(analysis, {});
    expect(!api::find_json_fault(json), "an analysis is written as JSON");
    const std::string text = app::analysis_text(analysis, {});
    const auto controls = [](char c) { return (c < ' ' && c >= 0 && c != '\n') || c == '\x7f'; };
    expect(std::ranges::none_of(text, controls), "no text controls the terminal");
    const std::string page = app::analysis_html(analysis, {});
    for (const char* const none : {"=\"nan", "=\"-nan", "=\"inf", "=\"-inf"}) {
        expect(page.find(none) == page.npos, "a plot has no coordinate that is none");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto decoded = ops::decode_profiles(as_text(data, size));
    if (!decoded) {
        expect(!decoded.error().message.empty(), "it is told what is wrong");
        return 0;
    }
    const std::string text = written(*decoded);
    const auto again = ops::decode_profiles(text);
    expect(again.ok() && !again->torn, "what was read is written whole");
    expect_same(written(*again), text, "it is written as read");

    check_reports(decoded->profiles);
    std::vector<ShardProfile> changes;
    for (std::size_t i = 0; i + 1 < decoded->profiles.size(); ++i) {
        changes.push_back(decoded->profiles[i + 1].since(decoded->profiles[i]));
    }
    check_reports(changes);
    return 0;
}
