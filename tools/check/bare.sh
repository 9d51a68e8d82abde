#!/bin/sh
# The README on a machine that has nothing: debootstrap's smallest Debian in a chroot, documentation dropped as in a
# container's image, a clone of HEAD, `./dev demo` and `./dev test`, then both again without a network. It compiles
# everything, takes some twenty minutes and 3 GB below TMPDIR, and wants root and the package debootstrap. Run it before
# an issue is closed; `./dev check` leaves it out.   usage: sh tools/check/bare.sh [CODENAME]
set -eu
[ "$(id -u)" = 0 ] || { echo "bare.sh: run as root: it makes a chroot"; exit 1; }

# Outside: a folder, and a world of mounts and processes of its own around the rest, so that however that ends nothing
# stays mounted, nothing runs on, and the folder can go.
if [ "${1-}" != --inside ]; then
  command -v debootstrap >/dev/null || { echo "bare.sh: apt-get install debootstrap"; exit 1; }
  root=$(mktemp -d)
  chmod 755 "$root"
  trap 'rm -rf --one-file-system "$root"' EXIT
  trap 'exit 130' INT TERM
  unshare --mount --pid --fork --kill-child --propagation private sh "$0" --inside "$root" "${1-}"
  exit
fi
root=$2
codename=${3:-$(. /etc/os-release && echo "$VERSION_CODENAME")}

begin=$(date +%s)
stage() {  # stage NAME COMMAND...: runs it, its output kept for a failure, and says how long it took
  what=$1 start=$(date +%s)
  shift
  if ! "$@" >"$root.log" 2>&1; then
    tail -60 "$root.log"
    rm -f "$root.log"
    echo "bare.sh: FAILED: $what"
    exit 1
  fi
  echo "bare.sh: $what: $(($(date +%s) - start)) s"
  grep -E 'tests passed|bits a byte\)$|^demo: |^note: ' "$root.log" | tail -4 || true
  rm -f "$root.log"
}

# Mirrors, proxies and the like are this machine's own, as apt tells them.
targets=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
  sed -n "s/^Debian \(.* $codename[-a-z]*\)$/\1/p" | sort -u)
mirror=$(echo "$targets" | sed -n "s/ $codename$//p" | head -n 1)
[ -n "$mirror" ] || { echo "bare.sh: apt knows no mirror of Debian's $codename (apt-get update?)"; exit 1; }
for scheme in http https; do
  eval "$(apt-config shell proxy "Acquire::$scheme::Proxy")"
  if [ -n "${proxy-}" ]; then export "${scheme}_proxy=$proxy"; fi
  proxy=""
done

stage "debootstrap, $codename" debootstrap --variant=minbase "$codename" "$root" "$mirror"
rm -rf "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/share/locale"
printf 'path-exclude /usr/share/%s/*\n' doc man locale >"$root/etc/dpkg/dpkg.cfg.d/no-documentation"
echo "$targets" | sed 's/^/deb /; s/$/ main/' >"$root/etc/apt/sources.list"
apt-config dump | grep -E '^Acquire::(https?::|Check|Retries)' >"$root/etc/apt/apt.conf.d/as-outside" || true
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
git clone --quiet --no-hardlinks "$(git rev-parse --show-toplevel)" "$root/hone"

at_home() { env -i PATH="$PATH" HOME=/root "$@"; }
stage "./dev demo" at_home chroot "$root" /hone/dev demo
stage "./dev test" at_home chroot "$root" /hone/dev test
stage "./dev demo again, without network" at_home unshare --net chroot "$root" /hone/dev demo
stage "./dev test again, without network" at_home unshare --net chroot "$root" /hone/dev test
echo "bare.sh: all in $(($(date +%s) - begin)) s"
