#include "ringmaster/ops/erlang.hpp"

#include <algorithm>
#include <cmath>

namespace ringmaster::ops {

// The usual recursion B(n) = A B(n-1) / (n + A B(n-1)), in terms of 1/B, which takes one
// multiplication and is as stable: 1/B(n) = 1 + n/A 1/B(n-1) (D. L. Jagerman, "Some properties of
// the Erlang loss function", Bell System Technical Journal, 1974).
//
// It need not begin at n = 0, where 1/B is 1. Each step multiplies what is wrong with 1/B by n/A,
// and so all steps from n = top - sqrt(80 A) to top <= A by exp(-40) at most: less than a double
// can tell, whatever the value was from which they began.
double erlang_b(double offered, std::size_t numbers) noexcept {
    constexpr double kBeyondDoubt = 80;
    constexpr double kNever = 1e300;
    const double load = std::clamp(offered, 0.0, kMostOffered);
    const double last = static_cast<double>(std::min(numbers, kMostNumbers));
    if (load <= 0) return last == 0 ? 1 : 0;
    const double top = std::min(last, std::floor(load));
    double inverse = 1;
    double n = std::max(0.0, top - std::ceil(std::sqrt(kBeyondDoubt * load)));
    while (n < last) {
        n += 1;
        inverse = 1 + n / load * inverse;
        if (inverse > kNever) return 0;
    }
    return 1 / inverse;
}

std::optional<std::size_t> numbers_for(double offered, double max_blocking) noexcept {
    if (erlang_b(offered, kMostNumbers) > max_blocking) return std::nullopt;
    std::size_t least = 0;
    std::size_t enough = kMostNumbers;
    while (least < enough) {
        const std::size_t middle = least + (enough - least) / 2;
        if (erlang_b(offered, middle) > max_blocking) {
            least = middle + 1;
        } else {
            enough = middle;
        }
    }
    return enough;
}

// Even where each number were taken all the time, numbers/offered would be all that get one: that
// bounds the load from above.
double offered_for(std::size_t numbers, double max_blocking) noexcept {
    constexpr int kHalvings = 50;
    double good = 0;
    double bad = std::min(kMostOffered, static_cast<double>(numbers) / (1 - max_blocking));
    if (erlang_b(bad, numbers) <= max_blocking) return bad;
    for (int i = 0; i < kHalvings; ++i) {
        const double middle = good + (bad - good) / 2;
        (erlang_b(middle, numbers) <= max_blocking ? good : bad) = middle;
    }
    return good;
}

}  // namespace ringmaster::ops
