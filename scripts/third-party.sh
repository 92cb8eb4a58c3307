#!/bin/sh
# Third-party runs the tests of a module that is not ours three times: with the
# stock release that a toolchain is made from, with the toolchain, and with the
# toolchain and GODEBUG=corolock=0. It prints how many tests passed, failed and
# were skipped in each, and which of them ended in another way than with stock.
#
#	sh scripts/third-party.sh GOROOT MODULE@VERSION PACKAGE ... [-FLAG ...]
#
# The stock release is got by the go command in PATH. Packages and flags are
# those of "go test", in the module's own directory: ./... is all of it. Exit
# status: 0 each test ended alike, 1 not each, or nothing ran.
set -eu
[ $# -ge 3 ] || { echo "usage: sh scripts/third-party.sh GOROOT MODULE@VERSION PACKAGE ... [-FLAG ...]" >&2; exit 2; }
goroot=$1 module=$2
shift 2
release=$(sed -n '1s/-.*//p' "$goroot/VERSION")
[ -n "$release" ] || { echo "$0: $goroot/VERSION names no patched release: give the GOROOT of a toolchain made here" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export GOFLAGS='' GOWORK=off GODEBUG=''
dir=$(GOTOOLCHAIN=$release go mod download -json "$module" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",$/\1/p')
[ -n "$dir" ] || { echo "$0: $module cannot be downloaded" >&2; exit 1; }
# The module is the main one, so that its go.mod counts as a whole. Its directory
# in the cache cannot be written to, which some tests do.
cp -R "$dir" "$tmp/module"
chmod -R u+w "$tmp/module"
cd "$tmp/module"

# outcomes NAME COMMAND ... leaves "package test action" of each test in NAME.
outcomes() {
	name=$1
	shift
	"$@" >"$tmp/$name.json" 2>"$tmp/$name.stderr" || :
	sed -n 's/^{"Time":"[^"]*","Action":"\(pass\|fail\|skip\)","Package":"\([^"]*\)",\("Test":"\(.*\)",\)*"Elapsed".*/\2 \4 \1/p' "$tmp/$name.json" | sort >"$tmp/$name"
	count() { grep -c "[^ ] $1\$" "$tmp/$name" || :; } # of tests, not of packages
	echo "$name: $(count pass) passed, $(count fail) failed, $(count skip) skipped, $(grep -c '  fail$' "$tmp/$name" || :) packages not ok"
}

outcomes stock env GOTOOLCHAIN="$release" GOCACHE="$tmp/gocache-stock" go test -json -count=1 "$@"
[ -s "$tmp/stock" ] || { cat "$tmp/stock.stderr"; exit 1; }
grep ' fail$' "$tmp/stock" || :
status=0
for mode in patched corolock=0; do
	setting=
	[ $mode = patched ] || setting=$mode
	outcomes $mode env GOTOOLCHAIN=local GOROOT="$goroot" GODEBUG=$setting GOCACHE="$tmp/gocache" "$goroot/bin/go" test -json -count=1 "$@"
	diff "$tmp/stock" "$tmp/$mode" || status=1
done
exit $status
