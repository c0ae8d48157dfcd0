#pragma once

#include <stdexcept>
#include <string_view>

namespace ringmaster::http {

class Response;

/// Where the content of a request comes from while it is being sent.
class ContentReader {
  public:
    virtual ~ContentReader() = default;
    /// Suspends. The next part, at least one byte; nothing at the end. Valid until the next call.
    /// Throws runtime::Cancelled where there will be no end: the client has left.
    virtual std::string_view read() = 0;
};

/// Where the content of an answer goes to while it is being made.
class ContentWriter {
  public:
    virtual ~ContentWriter() = default;
    /// Suspends while the client takes less than it is sent. `head` is what the answer begins with;
    /// only the first call looks at it. Throws runtime::Cancelled where the client has left.
    virtual void write(const Response& head, std::string_view part) = 0;
};

/// A request has more content than its handler, or somebody around it, takes.
class ContentTooLarge : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace ringmaster::http
