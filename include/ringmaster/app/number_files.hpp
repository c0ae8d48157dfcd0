#pragma once

#include "ringmaster/app/config.hpp"
#include "ringmaster/ringpool/phone_number.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace ringmaster::app {

/// The numbers of all pools, as their files have them.
struct NumberFiles {
    /// In the order of the configuration; nothing for a pool that has no file.
    std::vector<std::optional<std::vector<ringpool::PoolNumber>>> pools;
    std::size_t numbers = 0;  ///< of all pools
    std::size_t refused = 0;
    /// "FILE:LINE: TEXT: REASON" for each refused number; of each file the first twenty, then how
    /// many more there are.
    std::vector<std::string> warnings;
    /// What must be mended before these pools can be served: files that can't be read, and pools
    /// that are left without any number. The latter is never meant, and would be found out only
    /// from the calls that are lost.
    std::vector<std::string> problems;
};

/// Reads the numbers file of each pool that has one. Blocks. A refused line costs the others
/// nothing. A number that is in an earlier pool already, or that a pool hands out as its overflow
/// number, is refused too: otherwise two sessions could hold it.
NumberFiles read_number_files(const std::vector<PoolConfig>& pools);

}  // namespace ringmaster::app
