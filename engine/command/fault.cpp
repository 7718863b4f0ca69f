#include "engine/command/fault.hpp"

#include <new>
#include <system_error>

#include "engine/command/exit_code.hpp"
#include "engine/stage/context.hpp"

namespace weir::command {
namespace {

/// The machine has no room: nothing the file or the user's files could cure.
bool is_exhaustion(const std::error_code& code) {
  return code == std::errc::too_many_files_open || code == std::errc::too_many_files_open_in_system ||
         code == std::errc::not_enough_memory || code == std::errc::resource_unavailable_try_again;
}

/// Something outside that the pipeline names is not there or not ours.
bool is_absence(const std::error_code& code) {
  for (const auto absent :
       {std::errc::no_such_file_or_directory, std::errc::permission_denied, std::errc::operation_not_permitted,
        std::errc::is_a_directory, std::errc::not_a_directory, std::errc::address_in_use,
        std::errc::address_not_available, std::errc::connection_refused, std::errc::host_unreachable,
        std::errc::network_unreachable, std::errc::executable_format_error, std::errc::text_file_busy,
        std::errc::read_only_file_system, std::errc::too_many_symbolic_link_levels, std::errc::filename_too_long,
        std::errc::no_such_device_or_address, std::errc::no_such_device, std::errc::bad_file_descriptor,
        std::errc::device_or_resource_busy}) {
    if (code == absent) return true;
  }
  return false;
}

int exit_code_of(const std::error_code& code, When when) {
  if (is_exhaustion(code)) return exit_code::system;
  if (is_absence(code)) return exit_code::unavailable;
  return when == When::running ? exit_code::io : exit_code::system;
}

}  // namespace

Fault describe(std::exception_ptr thrown, When when) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::system_error& error) {
    return {error.what(), exit_code_of(error.code(), when)};
  } catch (const std::bad_alloc&) {
    return {"out of memory", exit_code::system};
  } catch (const stage::Fault& fault) {
    return {fault.what(), when == When::start ? exit_code::unavailable : exit_code::io};
  } catch (const std::exception& error) {
    return {std::string("a bug in weir: ") + error.what(), exit_code::bug};
  } catch (...) {
    return {"a bug in weir: an exception of an unknown type", exit_code::bug};
  }
}

}  // namespace weir::command
