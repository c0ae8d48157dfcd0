// What another shard sends. The first byte says what the rest is taken for: the rows of an
// `allocate` call, those of its answer, one of the values of other calls, or what is sent over a
// connection, in either direction.
//
// Whatever can be read is written as the same bytes again, and a connection on which nonsense
// comes ends and harms nobody.

#include "ringmaster/shard/peer_format.hpp"
#include "ringmaster/shard/peer_messages.hpp"
#include "ringmaster/shard/peer_service.hpp"
#include "ringmaster/shard/remote_shard.hpp"

#include <string>
#include <string_view>
#include <vector>

#include "fuzz_target.hpp"
#include "shard/peer_fixture.hpp"
#include "shard/peer_values.hpp"

namespace {

using namespace ringmaster;
using namespace ringmaster::fuzz;
using namespace ringmaster::shard;

void check_rows(std::string_view input) {
    std::string again;
    std::string_view rest = input;
    while (const auto row = RequestRow::take(rest)) row->append_to(again);
    expect_same(again, input.substr(0, input.size() - rest.size()), "rows are written as read");
    for (; input.size() >= AnswerRow::kBytes; input.remove_prefix(AnswerRow::kBytes)) {
        ringpool::Allocation allocation;
        if (AnswerRow::decode(input.data(), allocation) != AnswerRow::Kind::answered) continue;
        again.clear();
        AnswerRow::append(again, allocation);
        ringpool::Allocation second;
        expect(AnswerRow::decode(again.data(), second) == AnswerRow::Kind::answered,
               "an answer that was read can be written");
        expect(second.number == allocation.number && second.formatted == allocation.formatted &&
                   second.expires_at == allocation.expires_at,
               "an answer is written as read");
    }
}

void check_value(int index, std::string_view input) {
    for_each_peer_value([&]<class T>(const T&) {
        if (--index != 0) return;
        const auto value = decode_value<T>(input);
        if (!value) return;
        std::string again;
        append_value(again, *value);
        expect_same(again, input, "a value is written as read");
    });
}

/// The input as what a shard is asked over a connection, and as what it is answered.
void check_connections(std::string_view input) {
    static PeerRuntime runtime;
    static ringpool::Catalog catalog;
    static ScriptedShard own;
    if (catalog.size() == 0) expect(catalog.put(make_pool("autos")).ok(), "the pool is good");
    PeerService service(runtime.reactor, runtime.log, catalog, own,
                        [](Deadline) { return Result<void>(); },
                        {.frames = {.max_payload_bytes = 1 << 16, .max_numbers_bytes = 1 << 16}});
    const auto [there, client] = PeerRuntime::socket_pair();
    runtime.reactor.enter([&, fd = there] { service.serve(fd); });
    RawPeer asking(client);
    asking.write(input);
    runtime.settle();

    const auto [here, server] = PeerRuntime::socket_pair();
    RawPeer answering(server);
    RemoteShard remote(runtime.reactor, runtime.log, catalog, {},
                       [fd = here]() -> Result<int> { return fd; });
    const std::vector<ringpool::AllocationRequest> requests = {{0, {"v-81", {}}}};
    std::vector<ringpool::Allocation> answers(1);
    const runtime::Task task = runtime.spawn(
        [&] { remote.store().allocate(requests, answers, runtime.in(std::chrono::seconds(1))); });
    runtime.settle();
    answering.write(input);
    runtime.settle();
    asking.hang_up();
    answering.hang_up();
    runtime.settle();
    expect(!task.is_running(), "nobody waits for a shard that is gone");
    expect(service.stats().connections == 0 && service.stats().calls_in_work == 0,
           "nothing is left of a connection that is gone");
    runtime.log.lines.clear();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view input = as_text(data, size).substr(1);
    constexpr std::uint8_t kConnections = 255;
    if (data[0] == 0) {
        check_rows(input);
    } else if (data[0] == kConnections) {
        check_connections(input);
    } else {
        check_value(data[0], input);
    }
    return 0;
}
