#include "ringmaster/redis/reply_reader.hpp"

#include <cstring>
#include <hiredis/read.h>
#include <new>
#include <string>
#include <utility>

namespace ringmaster::redis {
namespace {

Error damaged(std::string what) {
    return {ErrorCode::damaged, std::move(what)};
}

}  // namespace

/// hiredis' reader, which makes no objects of its own here but fills Reply. What its functions
/// return is the Reply that they filled; null makes it stop, and nothing may be thrown through it.
class ReplyReader::Codec {
  public:
    explicit Codec(const ReplyLimits& limits)
        : limits_(limits), reader_(redisReaderCreateWithFunctions(&functions())) {
        if (reader_ == nullptr) throw std::bad_alloc();
        reader_->privdata = this;
    }
    ~Codec() { redisReaderFree(reader_); }
    Codec(const Codec&) = delete;
    Codec& operator=(const Codec&) = delete;

    void feed(std::string_view bytes) {
        if (failure_) return;
        fed_ += bytes.size();
        redisReaderFeed(reader_, bytes.data(),
                        bytes.size());  // its failure is told by the next read
    }

    Result<std::optional<Reply>> next() {
        if (failure_) return *failure_;
        void* complete = nullptr;
        if (redisReaderGetReply(reader_, &complete) != REDIS_OK) {
            return fail(refusal_ != nullptr ? refusal_ : reader_->errstr);
        }
        const std::string_view rest(reader_->buf + reader_->pos, reader_->len - reader_->pos);
        const std::size_t taken = fed_ - (complete != nullptr ? rest.size() : 0);
        if (taken > limits_.max_reply_bytes) {
            return fail("a reply has more than " + std::to_string(limits_.max_reply_bytes) +
                        " bytes");
        }
        if (complete == nullptr) {
            // Each time, hiredis looks for the end of a line from its beginning.
            const std::size_t longest = limits_.max_line_bytes + 2;
            if (rest.size() > longest && rest.substr(0, longest).find("\r\n") == rest.npos) {
                return fail(kLineTooLong);
            }
            return std::optional<Reply>();
        }
        fed_ = rest.size();
        elements_ = 0;
        return std::optional<Reply>(std::move(root_));
    }

  private:
    static constexpr const char* kLineTooLong = "a line of a reply is too long";

    Error fail(std::string why) {
        root_ = {};
        failure_ = damaged("no reply of Redis: " + std::move(why));
        return *failure_;
    }

    static redisReplyObjectFunctions& functions() {
        static redisReplyObjectFunctions functions{
            .createString = [](const redisReadTask* task, char* text, std::size_t size) -> void* {
                return codec(task).make(task, [&](Codec& self, Reply& reply) {
                    reply.type = task->type == REDIS_REPLY_STRING   ? Reply::Type::string
                                 : task->type == REDIS_REPLY_STATUS ? Reply::Type::status
                                                                    : Reply::Type::error;
                    if (reply.type != Reply::Type::string && size > self.limits_.max_line_bytes) {
                        self.refusal_ = kLineTooLong;
                    } else {
                        reply.text.assign(text, size);
                    }
                });
            },
            .createArray = [](const redisReadTask* task, int count) -> void* {
                // As many as are announced, not as many as have come: so they are only counted.
                return codec(task).make(task, [&](Codec& self, Reply& reply) {
                    reply.type = Reply::Type::array;
                    self.elements_ += static_cast<std::size_t>(count);
                    if (self.elements_ > self.limits_.max_elements) {
                        self.refusal_ = "a reply has too many elements";
                    }
                });
            },
            .createInteger = [](const redisReadTask* task, long long value) -> void* {
                return codec(task).make(task, [&](Codec&, Reply& reply) {
                    reply.type = Reply::Type::integer;
                    reply.integer = value;
                });
            },
            .createNil = [](const redisReadTask* task) -> void* {
                return codec(task).make(task, [](Codec&, Reply&) {});
            },
            .freeObject = [](void*) {},
        };
        return functions;
    }
    static Codec& codec(const redisReadTask* task) { return *static_cast<Codec*>(task->privdata); }

    /// An array's own pointer stays good while it is filled: nothing is added beside it meanwhile.
    template <class Fill>
    Reply* make(const redisReadTask* task, Fill&& fill) noexcept {
        try {
            Reply* reply = &root_;
            if (task->parent != nullptr) {
                reply = &static_cast<Reply*>(task->parent->obj)->elements.emplace_back();
            } else {
                root_ = {};
            }
            fill(*this, *reply);
            return refusal_ == nullptr ? reply : nullptr;
        } catch (const std::bad_alloc&) {
            refusal_ = "there is no memory for it";
            return nullptr;
        }
    }

    const ReplyLimits limits_;
    redisReader* const reader_;
    Reply root_;
    std::size_t fed_ = 0;       ///< bytes of the reply that is being read, and of what follows it
    std::size_t elements_ = 0;  ///< announced by its arrays
    const char* refusal_ = nullptr;
    std::optional<Error> failure_;
};

ReplyReader::ReplyReader(ReplyLimits limits) : codec_(std::make_unique<Codec>(limits)) {}
ReplyReader::~ReplyReader() = default;

void ReplyReader::feed(std::string_view bytes) {
    codec_->feed(bytes);
}

Result<std::optional<Reply>> ReplyReader::next() {
    return codec_->next();
}

}  // namespace ringmaster::redis
