#!/bin/sh
# Setup-linux installs what the CI needs on a linux machine, from Debian's or
# Ubuntu's own packages: a C compiler, and on amd64 what it takes to build and
# run linux/arm64 programs, by qemu-user and in a virtual machine.
#
#	sh scripts/setup-linux.sh [cache directory]
#
# The cache directory is the project's: $GOCORO_CACHE, or gocoro/v2 in the user's
# cache directory. The kernel of the virtual machine goes there.
#
# What is there is left alone: a second run does nothing, asks no server, and
# needs no root. Root is needed to install packages, by being it or by a sudo
# that asks no password.
#
# Exit status: 0 all is there, 1 a step failed, 2 wrong use or a system that
# is neither Debian nor Ubuntu, 3 packages are missing and root is needed.
#
# What is found missing, and in which words, is told by the CI itself
# (ci/platform, Method.Check); the two lists are to agree.

set -eu

say() { echo "setup-linux: $*" >&2; }

# die ends the script: die STATUS MESSAGE
die() {
	status=$1
	shift
	say "$*"
	exit "$status"
}

# as_root runs a command as root. Only the steps that need it do: what lands in
# the cache directory is to belong to the user.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		sudo -n "$@"
	else
		die 3 "root is needed; type: sudo $*"
	fi
}

# want adds a package to $packages unless what it is wanted for is there: a file,
# or a program in PATH. It asks for the thing and not for the package, as the
# thing may have come another way.
want() {
	case $1 in
	/*) [ -e "$1" ] || packages="$packages $2" ;;
	*) command -v "$1" >/dev/null || packages="$packages $2" ;;
	esac
}

# user_emulator prints the package that has the user-mode emulator. From Debian
# 13 on it is qemu-user, and qemu-user-static only an empty package that would
# also register the emulator for the whole machine. Before, qemu-user-static.
user_emulator() {
	case $ID:${VERSION_ID:-} in
	debian:1[0-2] | ubuntu:2[0-4].*) echo qemu-user-static ;;
	*) echo qemu-user ;;
	esac
}

# install_packages installs $packages, if any. Recommended packages are left
# out: among them are the ones that register emulators for the whole machine.
# So the C libraries, which the compilers only recommend, are named.
install_packages() {
	[ -n "$packages" ] || return 0
	say "to be installed:$packages"
	if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
		die 3 "root is needed; type: sudo apt-get update && sudo apt-get install --no-install-recommends$packages
setup-linux: and then this command again"
	fi
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update >&2 ||
		die 1 "apt-get update failed, see above"
	# shellcheck disable=SC2086 # a list of words
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $packages >&2 ||
		die 1 "apt-get install failed, see above"
}

# private_apt writes an apt configuration into the directory $work, for packages of
# another architecture to be found and downloaded. It has its own state and its
# own empty list of installed packages, so that the machine's are not touched,
# and drops the machine's hooks, which tidy up after its own packages. It does
# not need root.
private_apt() {
	mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
	: >"$work/status"
	cat >"$work/apt.conf" <<-END
		Dir::State "$work/state";
		Dir::State::status "$work/status";
		Dir::Cache "$work/cache";
		APT::Architecture "arm64";
		#clear APT::Architectures;
		APT::Architectures { "arm64"; };
		#clear APT::Update;
		#clear DPkg::Post-Invoke;
		Acquire::Languages "none";
		APT::Sandbox::User "root";
	END
	# Debian's mirrors have every architecture, and the machine's list of
	# sources serves. Ubuntu keeps arm64 on servers of its own.
	if [ "$ID" = ubuntu ]; then
		for suite in "$VERSION_CODENAME" "$VERSION_CODENAME-updates" "$VERSION_CODENAME-security"; do
			echo "deb http://ports.ubuntu.com/ubuntu-ports $suite main"
		done >"$work/sources.list"
		cat >>"$work/apt.conf" <<-END
			Dir::Etc::sourcelist "$work/sources.list";
			Dir::Etc::sourceparts "-";
		END
	fi
}

# mark_cache makes the cache directory, if there is none, and marks it as
# build/store does. One that holds anything and has no mark is somebody's.
mark_cache() {
	if [ -e "$cache/gocoro-cache" ]; then
		return 0
	fi
	if [ -n "$(ls -A "$cache" 2>/dev/null)" ]; then
		die 2 "$cache is not a build cache of gocoro: it is not empty and has no file gocoro-cache; type: sh scripts/setup-linux.sh NEWDIRECTORY"
	fi
	mkdir -p "$cache"
	echo "gocoro cache 2" >"$cache/gocoro-cache"
}

# fetch_kernel puts an arm64 kernel into the cache directory, unless there is one:
# in a directory of the package's name and version, complete or not at all. The
# package is downloaded and unpacked, not installed. It is the one made for
# virtual machines: the same kernel with fewer drivers, and a third of the size.
fetch_kernel() {
	kernels=$cache/kernel/arm64
	for file in "$kernels"/*/vmlinuz; do
		if [ -e "$file" ]; then
			return 0
		fi
	done
	say "fetching an arm64 kernel into $kernels"
	mark_cache
	mkdir -p "$kernels"
	work=$(mktemp -d "$kernels/.tmp-XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	private_apt
	apt-get -c "$work/apt.conf" -q update >&2 || die 1 "apt-get update for arm64 failed, see above"

	case $ID in
	ubuntu) meta=linux-image-virtual ;;
	*) meta=linux-image-cloud-arm64 ;;
	esac
	# The package of that name is empty, and depends on the current kernel's.
	package=$(apt-cache -c "$work/apt.conf" depends --important "$meta" |
		sed -n 's/^[ |]*Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
	[ -n "$package" ] || die 1 "package $meta for arm64: expected that it depends on a kernel, found none; see: apt-cache show $meta"
	(cd "$work" && apt-get -c apt.conf -q download "$package") >&2 ||
		die 1 "package $package for arm64: the download failed, see above"

	set -- "$work"/*.deb
	if [ $# != 1 ] || [ ! -e "$1" ]; then
		die 1 "package $package for arm64: expected one file, found: $*"
	fi
	mkdir "$work/new"
	dpkg-deb --fsys-tarfile "$1" | tar -x -O -f - --wildcards './boot/vmlinuz-*' >"$work/new/vmlinuz"
	[ -s "$work/new/vmlinuz" ] || die 1 "package $package for arm64: no kernel at boot/vmlinuz-* in it"
	chmod 755 "$work/new"
	name=$(basename "$1" .deb)
	# Fails when another run was faster, which is as good.
	mv -T "$work/new" "$kernels/$name" 2>/dev/null || [ -e "$kernels/$name/vmlinuz" ] ||
		die 1 "$kernels/$name: could not be made"
	say "kernel: $kernels/$name/vmlinuz"
}

# allow_namespaces prepares the running kernel for the private binfmt_misc of
# qemu-user. It changes the machine only where nobody else lives on it, which is
# on a hosted runner; elsewhere the CI tells what to type.
allow_namespaces() {
	[ "${GITHUB_ACTIONS:-}" = true ] || return 0
	[ -d /proc/sys/fs/binfmt_misc ] || as_root modprobe binfmt_misc
	apparmor=/proc/sys/kernel/apparmor_restrict_unprivileged_userns
	if [ -e $apparmor ] && [ "$(cat $apparmor)" != 0 ]; then
		as_root sysctl -q kernel.apparmor_restrict_unprivileged_userns=0
	fi
}

[ $# -le 1 ] || die 2 "usage: sh scripts/setup-linux.sh [cache directory]"
cache=${1:-${GOCORO_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/gocoro/v2}}
case $cache in
/*) ;;
*) cache=$PWD/$cache ;;
esac

if [ ! -e /etc/debian_version ] || ! command -v apt-get >/dev/null; then
	die 2 "expected Debian or Ubuntu, found another system; what is needed is listed in scripts/setup-linux.sh"
fi
# shellcheck source=/dev/null
. /etc/os-release
case ${ID:-} in
debian | ubuntu) ;;
*)
	# A derivative has the packages of what it derives from.
	case " ${ID_LIKE:-} " in
	*" ubuntu "*) ID=ubuntu VERSION_CODENAME=${UBUNTU_CODENAME:-${VERSION_CODENAME:-}} ;;
	*) ID=debian ;;
	esac
	;;
esac

packages=
want gcc gcc
want /usr/include/stdio.h libc6-dev
if [ "$(dpkg --print-architecture)" = amd64 ]; then
	want aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
	want /usr/aarch64-linux-gnu/lib/crt1.o libc6-dev-arm64-cross
	want qemu-system-aarch64 qemu-system-arm
	command -v qemu-aarch64 >/dev/null || want qemu-aarch64-static "$(user_emulator)"
	want unshare util-linux
	want mount mount
fi
install_packages
if [ "$(dpkg --print-architecture)" = amd64 ]; then
	fetch_kernel
	allow_namespaces
fi
