# What engine/run and tests/run share: the Debian packages that weir needs, how they come onto the machine, and how a
# tree is configured and built. Sourced by both, after they have set `root`, the repository's folder.

packages_to_run=(
  g++ cmake ninja-build ccache mold pkg-config git ca-certificates procps curl
  libasio-dev libyaml-cpp-dev libconcurrentqueue-dev prometheus-cpp-dev liblua5.4-dev libsimdjson-dev libre2-dev
  libcli11-dev libfmt-dev libhttp-parser-dev zlib1g-dev libzstd-dev libcurl4-openssl-dev libssl-dev
)

# And nginx, which is not installed, since that would start a server: tests/support/fetch_nginx unpacks it into build/.
packages_to_test=(
  libboost-test-dev librapidcheck-dev libbenchmark-dev clang-16 libclang-rt-16-dev prometheus python3 openssl
  python3-h11 python3-aiohttp wrk libtbb-dev
)

say() { echo "weir: $*" >&2; }

# Installs those of the named packages that are missing. Asks dpkg each time: it takes some 20 ms, and a note of an
# earlier answer would outlive the truth.
install_missing() {
  command -v dpkg-query >/dev/null || { say "not a Debian system: expecting the libraries to be there"; return 0; }
  local name state missing=() known
  known=" $(dpkg-query -W -f '${Package}=${db:Status-Status} ' "$@" 2>/dev/null || true)"
  for name in "$@"; do
    [[ $known == *" $name=installed "* ]] || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
      say "these packages are missing, and only root may install them:"
      say "  apt-get install --no-install-recommends ${missing[*]}"
      return 1
    }
    as_root=(sudo)
  fi
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
  local install=("${apt[@]}" install -y --no-install-recommends "${missing[@]}")
  local log updated=
  log=$(mktemp)
  say "installing ${missing[*]}"
  if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then
    "${apt[@]}" update >"$log" 2>&1 </dev/null || true
    updated=1
  fi
  # A failure with old lists usually means that they name versions which the mirror no longer has.
  if ! "${install[@]}" >>"$log" 2>&1 </dev/null; then
    if [ -n "$updated" ] || ! { "${apt[@]}" update && "${install[@]}"; } >>"$log" 2>&1 </dev/null; then
      tail -n 20 "$log" >&2
      rm -f "$log"
      say "could not install the packages"
      return 1
    fi
  fi
  rm -f "$log"
}

# configure TREE OPTION...: a CMake build tree with Ninja; silent unless it fails.
configure() {
  local tree=$1 log
  shift
  mkdir -p "$tree"
  log=$tree/configure.log
  cmake -S "$root" -B "$tree" -G Ninja "$@" >"$log" 2>&1 </dev/null || {
    cat "$log" >&2
    say "could not configure $tree"
    return 1
  }
}

# build TREE TARGET...: a first build shows ninja's progress, without a terminal a line for each tenth; a later one says
# that it is at work once that takes long, and what fails.
build() {
  local tree=$1 log=$1/build.log first='' saying='' status=0
  shift
  [ -e "$tree/.ninja_log" ] || first=1
  if [ -n "$first" ]; then say "building in ${tree#"$PWD"/}; the first time takes some minutes"; fi
  if [ -n "$first" ] && [ -t 2 ]; then
    ninja -C "$tree" -j "$(nproc)" "$@" >&2 </dev/null || { say "the build failed"; return 1; }
    return 0
  fi
  if [ -n "$first" ]; then
    ninja -C "$tree" -j "$(nproc)" "$@" 2>&1 </dev/null | tee "$log" | awk -F '[][/]' '
      /^\[/ && $2 * 10 >= $3 * (told + 1) {
        told = int($2 * 10 / $3)
        print "weir: built " $2 " of " $3
        fflush()
      }' >&2 || status=$?
  else
    (exec {never}<> <(:); read -rt 3 -u "$never" || say "building what has changed in ${tree#"$PWD"/}") &
    saying=$!
    ninja -C "$tree" --quiet -j "$(nproc)" "$@" >"$log" 2>&1 </dev/null || status=$?
    kill "$saying" 2>/dev/null || true
    wait "$saying" 2>/dev/null || true
  fi
  [ "$status" -eq 0 ] || { grep -v '^\[' "$log" >&2 || true; say "the build failed"; return 1; }
}
