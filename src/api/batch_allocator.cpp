#include "ringmaster/api/batch_allocator.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <exception>
#include <string>
#include <utility>

namespace ringmaster::api {

namespace {

/// How many Batches wait to be used again, and how much text each keeps.
constexpr std::size_t kMaxIdle = 64;
constexpr std::size_t kKeepBytes = 64 * 1024;

}  // namespace

BatchAllocator::Lease::Lease(BatchAllocator& allocator) : allocator_(allocator) {
    if (allocator.idle_.empty()) {
        batch_ = std::make_unique<Batch>();
    } else {
        batch_ = std::move(allocator.idle_.back());
        allocator.idle_.pop_back();
    }
    batch_->begin = allocator.scheduler_.now();
}

BatchAllocator::Lease::~Lease() {
    if (allocator_.idle_.size() == kMaxIdle) return;
    batch_->request.clear(kKeepBytes);
    batch_->answers.clear();
    batch_->failure.reset();
    allocator_.idle_.push_back(std::move(batch_));
}

BatchAllocator::BatchAllocator(const ringpool::Catalog& catalog, ringpool::Store& store,
                               const runtime::Scheduler& scheduler, const Clock& clock,
                               ErrorReporter& errors)
    : catalog_(catalog), store_(store), scheduler_(scheduler), clock_(clock), errors_(errors) {
    idle_.reserve(kMaxIdle);
}

void BatchAllocator::allocate(std::string_view doing, Batch& batch) {
    const auto requests = batch.request.allocations();
    batch.answers.resize(requests.size());
    if (requests.empty()) return;
    try {
        store_.allocate(requests, batch.answers, scheduler_.deadline());
    } catch (const std::exception&) {
        const std::uint64_t handle = errors_.report(doing, std::current_exception());
        batch.failure = internal_error(handle);
    }
}

ApiError BatchAllocator::exhausted(const ringpool::PoolDefinition& pool,
                                   const ringpool::Allocation& answer) {
    std::string message = "pool '" + pool.id + "' has no number to give (";
    message.append(ringpool::to_string(answer.reason)).append(") and allows no overflow");
    return {ErrorClass::pool_exhausted, std::move(message)};
}

void BatchAllocator::add_processing_time(const Batch& batch, http::Response& response) const {
    const auto elapsed = std::max(clock_.steady_now() - batch.begin, SteadyTime::duration::zero());
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count();
    char text[32];
    char* end = std::to_chars(text, text + 24, us / 1000).ptr;
    *end++ = '.';
    for (const auto part : {us / 100 % 10, us / 10 % 10, us % 10}) {
        *end++ = static_cast<char>('0' + part);
    }
    response.add_header("processing-time", std::string_view(text, end));
}

}  // namespace ringmaster::api
