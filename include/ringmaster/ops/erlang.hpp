#pragma once

#include <cstddef>
#include <optional>

/// How often a pool of numbers is exhausted, and how many numbers it needs: Erlang's loss formula
/// (A. K. Erlang, "Solution of some Problems in the Theory of Probabilities of Significance in
/// Automatic Telephone Exchanges", 1917).
///
/// The *offered load* in erlangs is what all who come want together: arrivals per second, times the
/// seconds for which each keeps a number from everybody else. It is how many numbers would be taken
/// on average if there were enough. The formula holds where visitors come independently of each
/// other (a Poisson process) and those who find nothing go away. How long each stays matters by its
/// mean alone, not by its distribution (B. A. Sevastyanov, 1957).
namespace ringmaster::ops {

/// A pool has no more numbers (ringpool::RingPool::kMaxNumbers).
inline constexpr std::size_t kMostNumbers = std::size_t{1} << 24;
/// And nobody wants more, in erlangs.
inline constexpr double kMostOffered = 1e7;

/// The share of arrivals, from 0 to 1, that find all `numbers` taken while `offered` erlangs are
/// wanted. Below 1e-300 it is 0. Takes some sqrt(offered) steps: at most a millisecond. `offered`
/// is taken to be within 0 and kMostOffered, `numbers` within kMostNumbers.
double erlang_b(double offered, std::size_t numbers) noexcept;

/// The fewest numbers with which no more than `max_blocking` (above 0, below 1) of arrivals find
/// none. Nothing where kMostNumbers are too few. At most some 20 milliseconds.
std::optional<std::size_t> numbers_for(double offered, double max_blocking) noexcept;

/// The most erlangs of which so many numbers turn away no more than `max_blocking`, as above; at
/// most kMostOffered. At most some 50 milliseconds.
double offered_for(std::size_t numbers, double max_blocking) noexcept;

}  // namespace ringmaster::ops
