// The program: hands the command line to the verb it names.
#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "version") {
    std::puts("weir " WEIR_VERSION);
    return 0;
  }
  std::fputs("usage: weir version\n", stderr);
  return 64;
}
