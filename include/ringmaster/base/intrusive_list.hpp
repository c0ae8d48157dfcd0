#pragma once

#include <cassert>
#include <cstddef>

namespace ringmaster {

/// A place in an IntrusiveList. Inherit from it (with a distinct Tag for each list an object can be
/// in at once). Leaves its list when destroyed.
template <class Tag = void>
class ListHook {
  public:
    ListHook() noexcept = default;
    ListHook(const ListHook&) = delete;
    ListHook& operator=(const ListHook&) = delete;
    ~ListHook() { unlink(); }

    bool is_linked() const noexcept { return next_ != nullptr; }
    /// Leaves the list it is in; harmless where it is in none.
    void unlink() noexcept {
        if (!is_linked()) return;
        prev_->next_ = next_;
        next_->prev_ = prev_;
        prev_ = next_ = nullptr;
    }

  private:
    template <class T, class U>
    friend class IntrusiveList;
    ListHook* prev_ = nullptr;
    ListHook* next_ = nullptr;
};

/// A doubly linked list of objects that live elsewhere: no allocation, O(1) everything, and an
/// object can leave by itself. Does not own its elements, which must outlive their membership.
template <class T, class Tag = void>
class IntrusiveList {
    using Hook = ListHook<Tag>;

  public:
    IntrusiveList() noexcept { root_.prev_ = root_.next_ = &root_; }
    IntrusiveList(const IntrusiveList&) = delete;
    IntrusiveList& operator=(const IntrusiveList&) = delete;
    ~IntrusiveList() {
        while (pop_front() != nullptr) {
        }
        root_.prev_ = root_.next_ = nullptr;
    }

    bool empty() const noexcept { return root_.next_ == &root_; }

    /// Precondition: `element` is in no list with this tag.
    void push_back(T& element) noexcept { insert_before(root_, element); }
    void push_front(T& element) noexcept { insert_before(*root_.next_, element); }

    /// The first element, or null.
    T* front() noexcept { return empty() ? nullptr : cast(root_.next_); }
    /// Takes the first element out, or returns null.
    T* pop_front() noexcept {
        T* first = front();
        if (first != nullptr) static_cast<Hook&>(*first).unlink();
        return first;
    }
    /// The element after `element`, which must be in this list, or null.
    T* next(T& element) noexcept {
        Hook* hook = static_cast<Hook&>(element).next_;
        return hook == &root_ ? nullptr : cast(hook);
    }
    /// Moves all elements of `other` to the end of this list, in order.
    void splice_back(IntrusiveList& other) noexcept {
        if (other.empty()) return;
        Hook* first = other.root_.next_;
        Hook* last = other.root_.prev_;
        other.root_.prev_ = other.root_.next_ = &other.root_;
        first->prev_ = root_.prev_;
        root_.prev_->next_ = first;
        last->next_ = &root_;
        root_.prev_ = last;
    }

  private:
    static T* cast(Hook* hook) noexcept { return static_cast<T*>(hook); }
    void insert_before(Hook& place, T& element) noexcept {
        Hook& hook = static_cast<Hook&>(element);
        assert(!hook.is_linked());
        hook.prev_ = place.prev_;
        hook.next_ = &place;
        place.prev_->next_ = &hook;
        place.prev_ = &hook;
    }

    Hook root_;
};

}  // namespace ringmaster
