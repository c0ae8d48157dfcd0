#pragma once

namespace ringmaster::runtime {

/// A method of an object that somebody else owns, to be called later: two words, no allocation.
/// The object must outlive every call.
class Callback {
  public:
    template <auto Method, class T>
    static Callback of(T& object) noexcept {
        return Callback([](void* self) { (static_cast<T*>(self)->*Method)(); }, &object);
    }
    void operator()() const { call_(object_); }

  private:
    using Call = void (*)(void*);
    Callback(Call call, void* object) noexcept : call_(call), object_(object) {}
    Call call_;
    void* object_;
};

}  // namespace ringmaster::runtime
