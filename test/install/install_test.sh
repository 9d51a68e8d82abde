# install_test.sh static|shared|subdirectory short|long BUILD: the examples built and run as a user's project would,
# outside the source tree, knowing nothing but the prefix. Long: all examples by CMake and by pkg-config, with each compiler
# there is. Short: one example, g++. With add_subdirectory, which compiles all of hone again, one example and one
# compiler (what differs there is how it is linked); short, only what would be built.
set -eu
way=$1 kind=$2 build=$3 source=$(pwd -P)
work=$build/install-test/$way-$kind
examples=$work/examples
expected=$way

prepare() {  # prepare CMAKELISTS EXAMPLE...
  rm -rf "$examples" "$work/run"
  mkdir -p "$examples" "$work/run"
  cp "$source/test/install/$1.cmake" "$examples/CMakeLists.txt"
  shift
  cp "$@" "$examples"
}

# run_all FOLDER: every example that was built there must be linked as asked, and exit 0 in an empty folder of its own.
run_all() {
  for example in "$examples"/*.cpp; do
    name=$(basename "$example" .cpp)
    if ldd "$1/$name" | grep -q libhone; then linked=shared; else linked=static; fi
    if [ "$linked" != "$expected" ]; then
      echo "$1/$name is linked with the $linked library"
      exit 1
    fi
    mkdir -p "$work/run/$name"
    (cd "$work/run/$name" && "$1/$name" >output.txt 2>&1) || {
      echo "$1/$name failed:"
      tail -20 "$work/run/$name/output.txt"
      exit 1
    }
    rm -rf "$work/run/$name"
  done
  echo "ran: $1"
}

compilers() {
  echo g++
  [ "$kind" = long ] || return 0
  for compiler in clang++ clang++-14; do  # Debian's clang-tidy brings the second alone
    if command -v "$compiler" >/dev/null; then echo "$compiler"; break; fi
  done
}

by_cmake() {  # by_cmake COMPILER CMAKE-OPTION...
  folder=$work/cmake-$1
  compiler=$1
  shift
  cmake -S "$examples" -B "$folder" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" "$@" >"$work/log" 2>&1 &&
    cmake --build "$folder" >>"$work/log" 2>&1 || { tail -40 "$work/log"; exit 1; }
  run_all "$folder"
}

by_pkg_config() {  # by_pkg_config COMPILER PREFIX
  folder=$work/pkg-config-$1
  mkdir -p "$folder"
  closure=--shared
  if [ "$way" = static ]; then closure=--static; fi
  flags=$(PKG_CONFIG_PATH=$2/lib/pkgconfig pkg-config $closure --cflags --libs hone)
  for example in "$examples"/*.cpp; do
    # shellcheck disable=SC2086
    "$1" -std=c++20 -O1 "$example" -o "$folder/$(basename "$example" .cpp)" $flags -Wl,-rpath,"$2/lib"
  done
  run_all "$folder"
}

if [ "$way" = subdirectory ]; then
  prepare subdirectory "$source/examples/gradient_accumulation.cpp"
  expected=static
  if [ "$kind" = short ]; then
    folder=$work/configured
    cmake --fresh -S "$examples" -B "$folder" -G Ninja -DHONE_SOURCE="$source" >"$work/log" 2>&1 || { tail -40 "$work/log"; exit 1; }
    ninja -C "$folder" -t commands all >"$work/steps"
    grep -q ' libhone.a\| hone/libhone.a' "$work/steps" || { echo "hone's static library would not be built"; exit 1; }
    if grep -E 'libhone\.so|hone_test|src/cli/' "$work/steps"; then echo "more would be built than the project links"; exit 1; fi
    echo "configured: $folder"
    exit 0
  fi
  by_cmake g++ -DHONE_SOURCE="$source" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0
  exit 0
fi

if [ "$kind" = short ]; then set -- "$source/examples/own_model.cpp"; else set -- "$source"/examples/*.cpp; fi
prepare package "$@"
rm -rf "$work/first" "$work/moved"
for component in headers "$way"; do
  cmake --install "$build" --prefix "$work/first" --component "$component" >/dev/null
done
mv "$work/first" "$work/moved"  # nothing may remember where it was installed
for compiler in $(compilers); do
  by_cmake "$compiler" -DCMAKE_PREFIX_PATH="$work/moved" -DCMAKE_BUILD_TYPE=Release
  by_pkg_config "$compiler" "$work/moved"
done
