// Under AddressSanitizer, the arena's bytes outside a tensor's life are poisoned: a node that reads a tensor
// after its last use, or past its end into its neighbour, is caught although all lie in one block. Nothing in
// other builds.
#pragma once
#include "exec/job.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define HONE_POISONS_ARENA 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HONE_POISONS_ARENA 1
#endif
#endif

namespace hone {

#if defined(HONE_POISONS_ARENA)

class LiveTensors {
 public:
  LiveTensors(const JobPlan& plan, std::byte* arena);
  ~LiveTensors() { unpoison_all(); }
  LiveTensors(const LiveTensors&) = delete;
  LiveTensors& operator=(const LiveTensors&) = delete;

  void begin() const;  // what an earlier run left is over
  void before(std::size_t program, std::size_t node) const;
  void after(std::size_t program, std::size_t node) const;
  void unpoison_all() const;

 private:
  struct Stretch {
    std::int64_t offset, bytes;
  };
  struct NodeStretches {
    std::vector<Stretch> needed;   // what it writes, its scratch
    std::vector<Stretch> over;     // what nobody reads after it
    std::vector<Stretch> live_on;  // what it writes and others read; may lie where an input lay
  };
  static std::vector<NodeStretches> stretches(const Program& program, const Workspace& workspace);

  std::byte* arena_;
  std::int64_t workspace_bytes_, arena_bytes_;
  std::vector<std::vector<NodeStretches>> programs_;
};

#else

struct LiveTensors {
  LiveTensors(const JobPlan&, std::byte*) {}
  void begin() const {}
  void before(std::size_t, std::size_t) const {}
  void after(std::size_t, std::size_t) const {}
  void unpoison_all() const {}
};

#endif

}  // namespace hone
