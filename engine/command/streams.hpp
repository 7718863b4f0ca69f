// Where a verb writes: data to out, everything else to err.
#pragma once
#include <iosfwd>

namespace weir::command {

struct Streams {
  std::ostream& out;
  std::ostream& err;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  bool color = false;  ///< For err.
};

}  // namespace weir::command
