// The machine's file system, for one core.
#pragma once
#include <memory>
#include <string>

#include <asio/io_context.hpp>

#include "engine/runtime/files.hpp"

namespace weir::runtime {

class RealFiles final : public Files {
 public:
  RealFiles(asio::io_context& io, Core& core) : io_(io), core_(core) {}

  std::unique_ptr<Reader> open(const std::string& path) override;
  std::unique_ptr<Reader> open_below(const std::string& directory, const std::string& path) override;
  std::unique_ptr<Reader> standard_input() override;
  std::unique_ptr<Writer> create(const std::string& path, Mode mode) override;
  std::unique_ptr<Writer> standard_output() override;
  void rename(const std::string& from, const std::string& to) override;
  void remove(const std::string& path) override;
  void make_directories(const std::string& path) override;
  bool exists(const std::string& path) override;
  bool is_directory(const std::string& path) override;
  bool is_link(const std::string& path) override;
  std::optional<FileStatus> status(const std::string& path) override;
  std::vector<std::string> list(const std::string& directory) override;

 private:
  asio::io_context& io_;
  Core& core_;
};

}  // namespace weir::runtime
