#include "ringmaster/replay/tally.hpp"

#include <algorithm>

namespace ringmaster::replay {

void Tally::hold(const Hold& hold, WallTime now) {
    ++(hold.begins ? figures_.holds : figures_.touches);
    figures_.reissues += hold.reissued ? 1 : 0;
    figures_.early_reissues += hold.early ? 1 : 0;
    held_.hold(hold.number, now, hold.until);
    if (hold.number >= used_.size())
        used_.resize(std::max<std::size_t>(64, std::size_t{hold.number} * 2));
    if (used_[hold.number]) return;
    used_[hold.number] = true;
    ++used_count_;
}

void Tally::release(std::uint32_t number, WallTime now) {
    ++figures_.releases;
    held_.release(number, now);
}

void Tally::start(WallTime now) {
    figures_ = {};
    held_.start(now);
    used_.assign(used_.size(), false);
    used_count_ = 0;
}

Figures Tally::figures(std::uint32_t numbers, const ringpool::HoldRules& rules) const {
    Figures figures = figures_;
    figures.numbers = numbers;
    figures.rules = rules;
    figures.most_held = held_.most();
    figures.most_held_at = held_.most_at();
    figures.never_used = numbers - std::min(numbers, used_count_);
    return figures;
}

}  // namespace ringmaster::replay
