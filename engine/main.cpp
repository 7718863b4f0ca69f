// The program: hands the kinds that were linked in and the command line to engine/command/.
#include "engine/command/command.hpp"
#include "engine/stage/kind.hpp"

int main(int argc, char** argv) {
  const auto catalog = weir::stage::Catalog::linked();
  return weir::command::run_command(catalog, argc, argv);
}
