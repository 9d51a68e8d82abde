#include "kernel/isa/elementwise_isa.hpp"

#include "kernel/isa/activation.hpp"
#include "kernel/isa/loops.hpp"
#include "kernel/isa/philox.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

void activate_elements(Activation kind, In x, Out y, std::int64_t first, std::int64_t n) {
  with_activation(kind, [&](auto k) {
    typed(x, [&](auto* from) {
      using T = std::remove_const_t<std::remove_pointer_t<decltype(from)>>;
      T* to = static_cast<T*>(y.data) + first;
      each(n,
           [&](std::int64_t i, auto part) { put(to + i, activate<k()>(get(from + first + i, part)), part); });
    });
  });
}

void activate_gradient(Activation kind, In x, In dy, Out dx, std::int64_t first, std::int64_t n) {
  with_activation(kind, [&](auto k) {
    typed(x, [&](auto* from) {
      using T = std::remove_const_t<std::remove_pointer_t<decltype(from)>>;
      const T* d = static_cast<const T*>(dy.data) + first;
      T* to = static_cast<T*>(dx.data) + first;
      each(n, [&](std::int64_t i, auto part) {
        put(to + i, get(d + i, part) * activation_gradient<k()>(get(from + first + i, part)), part);
      });
    });
  });
}

void gate(const Gate& a, std::int64_t first, std::int64_t n) {
  with_activation(a.kind, [&](auto k) {
    typed(a.gate, [&]<class T>(const T* gate) {
      const T* x = static_cast<const T*>(a.x.data) + first;
      T* y = static_cast<T*>(a.y.data) + first;
      each(n, [&](std::int64_t i, auto part) {
        put(y + i, activate<k()>(get(gate + first + i, part)) * get(x + i, part), part);
      });
    });
  });
}

void gate_gradient(const Gate& a, std::int64_t first, std::int64_t n) {
  with_activation(a.kind, [&](auto k) {
    typed(a.gate, [&]<class T>(const T* gates) {
      const T *x = static_cast<const T*>(a.x.data) + first, *dy = static_cast<const T*>(a.dy.data) + first;
      T *d_x = static_cast<T*>(a.y.data) + first, *d_gate = static_cast<T*>(a.d_gate.data) + first;
      each(n, [&](std::int64_t i, auto part) {
        const F gate = get(gates + first + i, part), d = get(dy + i, part), up = get(x + i, part);
        put(d_gate + i, d * up * activation_gradient<k()>(gate), part);
        put(d_x + i, d * activate<k()>(gate), part);
      });
    });
  });
}

void softcap(const Softcap& a, std::int64_t first, std::int64_t n) {
  typed(a.x, [&]<class T>(const T* x) {
    T* y = static_cast<T*>(a.y.data) + first;
    each(n, [&](std::int64_t i, auto part) {
      put(y + i, splat(a.cap) * tanh(get(x + first + i, part) / splat(a.cap)), part);
    });
  });
}

void softcap_gradient(const Softcap& a, std::int64_t first, std::int64_t n) {
  typed(a.x, [&]<class T>(const T* made) {
    const T* dy = static_cast<const T*>(a.dy.data) + first;
    T* dx = static_cast<T*>(a.y.data) + first;
    each(n, [&](std::int64_t i, auto part) {
      const F t = get(made + first + i, part) / splat(a.cap);
      put(dx + i, get(dy + i, part) * (splat(1.0f) - t * t), part);
    });
  });
}

void add(In a, In b, Out y, std::int64_t first, std::int64_t n) {
  typed(a, [&](auto* p) {
    typed(b, [&](auto* q) {
      typed(y, [&](auto* to) {
        each(n, [&](std::int64_t i, auto part) {
          const std::int64_t at = first + i;
          put(to + at, get(p + at, part) + get(q + at, part), part);
        });
      });
    });
  });
}

void cast(In x, Out y, std::int64_t first, std::int64_t n) {
  typed(x, [&](auto* from) {
    typed(y, [&](auto* to) {
      each(n, [&](std::int64_t i, auto part) { put(to + first + i, get(from + first + i, part), part); });
    });
  });
}

// x / keep_share where its 16 bits reach the threshold, else 0 (also for an infinite or NaN x).
template <class T>
void drop(const DropoutElements& a, const T* x, T* y, std::uint64_t index, std::int64_t n) {
  constexpr std::int64_t block = 8 * lanes;  // elements of a round of Philox
  std::uint16_t random[block + lanes] = {};  // a tail reads past its end
  std::int64_t skip = static_cast<std::int64_t>(index % 8);
  for (std::int64_t done = 0; done < n; skip = 0) {
    philox_words(a.key, (index + static_cast<std::uint64_t>(done)) / 8, random);
    const std::int64_t count = n - done < block - skip ? n - done : block - skip;
    each(count, [&](std::int64_t i, auto part) {
      H h;
      std::memcpy(&h, random + skip + i, sizeof h);
      const U u = __builtin_convertvector(h, U);
      const F kept = get(x + done + i, part) / splat(a.keep_share);
      put(y + done + i, select((I)(u >= (U{} + a.threshold)), kept, F{}), part);
    });
    done += count;
  }
}

void dropout(const DropoutElements& a, std::int64_t first, std::int64_t n) {
  typed(a.x, [&](auto* x) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(x)>>;
    drop(a, x + first, static_cast<T*>(a.y.data) + first, a.first + static_cast<std::uint64_t>(first), n);
  });
}

// Eight rows at a time: a column's partial sum is loaded and stored once for them, and 512 bytes of a row are
// read in one go, which the prefetcher follows. The order within a column is that of the rows.
void add_columns(In x, std::int64_t stride, std::int64_t first_row, std::int64_t rows, std::int64_t first,
                 std::int64_t columns, float* sum) {
  float partial[column_block] = {};
  typed(x, [&](auto* p) {
    p += first_row * stride + first;
    std::int64_t r = 0;
    for (; r + 8 <= rows; r += 8)
      each(columns, [&](std::int64_t i, auto part) {
        F s = get(partial + i, part);
        for (int k = 0; k < 8; ++k) s += get(p + (r + k) * stride + i, part);
        put(partial + i, s, part);
      });
    for (; r < rows; ++r)
      each(columns, [&](std::int64_t i, auto part) {
        put(partial + i, get(partial + i, part) + get(p + r * stride + i, part), part);
      });
  });
  each(columns, [&](std::int64_t i, auto part) {
    put(sum + first + i, get(sum + first + i, part) + get(partial + i, part), part);
  });
}

}  // namespace

const ElementwiseTable elementwise_table{activate_elements, activate_gradient, gate, gate_gradient,
                                         softcap,           softcap_gradient,  add,  cast,
                                         dropout,           add_columns};

}  // namespace hone::kernel::HONE_ISA
