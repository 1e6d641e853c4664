// Memory that grows, and that can be handed over to Arrow.
#pragma once

#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace decoder {

// Bytes from malloc: aligned for every type that a column holds, 16-byte decimals too. Not a
// std::vector, because that writes every byte once more before it is used.
class Buffer {
public:
    Buffer() = default;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    Buffer(Buffer&& other) noexcept { swap(other); }
    Buffer& operator=(Buffer&& other) noexcept {
        swap(other);
        return *this;
    }
    ~Buffer() { std::free(data_); }

    char* data() { return data_; }
    const char* data() const { return data_; }
    std::size_t size() const { return size_; }

    // Room for `capacity` bytes altogether.
    void reserve(std::size_t capacity) {
        if (capacity <= capacity_) return;
        void* grown = std::realloc(data_, capacity);
        if (grown == nullptr) throw std::bad_alloc();
        data_ = static_cast<char*>(grown);
        capacity_ = capacity;
    }

    // Makes it `size` bytes long; what is new is zero.
    void resize_zeroed(std::size_t size) {
        reserve(size);
        if (size > size_) std::memset(data_ + size_, 0, size - size_);
        size_ = size;
    }

    // Makes it `size` bytes long; what is new has to be written by the caller.
    void resize(std::size_t size) {
        reserve(size);
        size_ = size;
    }

    void append(const char* bytes, std::size_t count) {
        if (count == 0) return;
        if (count > capacity_ - size_) reserve(2 * (size_ + count));
        std::memcpy(data_ + size_, bytes, count);
        size_ += count;
    }

private:
    void swap(Buffer& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
    }

    char* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace decoder
