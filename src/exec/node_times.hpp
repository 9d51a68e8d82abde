// How long nodes take on this machine: each kind of node is run by its own kernel, on memory that is given
// back with this object, and known from then on. A large one is run smaller and its time taken in proportion,
// so that a model's nodes take well under a second.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "layout/bind.hpp"

namespace hone {

class NodeTimes {
 public:
  // Takes at most memory_bytes while it lives.
  NodeTimes(const ExecOptions& options, std::int64_t memory_bytes);
  ~NodeTimes();
  NodeTimes(const NodeTimes&) = delete;
  NodeTimes& operator=(const NodeTimes&) = delete;

  double ms(const Program& program, const Node& node);
  double ms(const Program& program);  // of all its nodes, one after the other

 private:
  class Trial;
  double measure(const Trial& trial);

  ExecOptions options_;
  std::int64_t memory_bytes_;
  struct Place;
  std::unique_ptr<Place> place_;
  std::map<std::string, double> known_;
};

}  // namespace hone
