// Prints the version of the hone that is linked: the smallest program on the installed library.
#include <hone/version.hpp>

#include <cstdio>

int main() { std::printf("hone %s\n", hone::version()); }
