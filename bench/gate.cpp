// What an EaseInGate does while its neighbour slows down, hangs, dies, flaps and comes back, in
// simulated time, as CSV to plot from: a line for each tenth of a second.
//
//   gate SCENARIO [SEED [GATES]]
//
// Without a scenario it names all there are. `window` is the sum over all gates, `overflow` the
// share of calls that got no answer of the neighbour, and `longest_wait_ms` how long a caller
// waited for either.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "flow/neighbour_simulation.hpp"

namespace {

using namespace ringmaster::flow;

void print(const std::vector<Slice>& slices) {
    std::puts("ms,real,refused,in_vain,overflow,window,longest_wait_ms,trips,failed_probes");
    std::chrono::milliseconds begin{0};
    for (const Slice& slice : slices) {
        const std::uint32_t overflow = slice.refused + slice.in_vain;
        const std::uint32_t calls = slice.real + overflow;
        std::printf("%lld,%u,%u,%u,%.3f,%u,%.1f,%llu,%llu\n", static_cast<long long>(begin.count()),
                    slice.real, slice.refused, slice.in_vain,
                    calls == 0 ? 0 : static_cast<double>(overflow) / calls, slice.window,
                    std::chrono::duration<double, std::milli>(slice.longest_wait).count(),
                    static_cast<unsigned long long>(slice.trips),
                    static_cast<unsigned long long>(slice.failed_probes));
        begin += Slice::kLength;
    }
}

}  // namespace

int main(int argc, char** argv) try {
    const std::string_view name = argc > 1 ? argv[1] : "";
    const auto seed = static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 1);
    NeighbourSimulation::Options options;
    if (argc > 3) options.gates = static_cast<std::size_t>(std::max(std::atoi(argv[3]), 1));
    for (const Scenario& scenario : scenarios()) {
        if (scenario.name != name) continue;
        print(NeighbourSimulation(options, seed).run(scenario));
        return 0;
    }
    std::fputs("usage: gate SCENARIO [SEED [GATES]]\nscenarios:", stderr);
    for (const Scenario& scenario : scenarios()) std::fprintf(stderr, " %s", scenario.name.data());
    std::fputs("\n", stderr);
    return 2;
} catch (const std::exception& error) {
    std::fprintf(stderr, "gate: %s\n", error.what());
    return 1;
}
