#pragma once

#include <functional>
#include <thread>

namespace ringmaster::runtime {

/// A thread to which no signal is delivered, because those are for the reactor's. `name` (at most
/// 15 bytes) is what ps and gdb show. Throws std::system_error, which tells the name.
std::thread start_thread(const char* name, std::function<void()> run);

}  // namespace ringmaster::runtime
