#!/bin/sh
# Prefix-tests applies the patches of a line to its stock release, one after
# another, and runs tests of packages runtime and iter after each: a bisection,
# or a line that drops a patch, wants a series that works at every step.
#
#	sh scripts/prefix-tests.sh LINE REGEXP [FLAG ...]
#
# REGEXP selects the tests, as -run does, and flags go to "go test". The whole
# overlay is there from the start. Exit status: 0 all passed after each patch, 1
# not all, or nothing ran.
set -eu
[ $# -ge 2 ] || { echo "usage: sh scripts/prefix-tests.sh LINE REGEXP [FLAG ...]" >&2; exit 2; }
line=$1 run=$2
shift 2
repo=$(cd "$(dirname "$0")/.." && pwd)
pin=$repo/patches/$line/pin
[ -e "$pin" ] || { echo "$0: no line $line: go run ./build list" >&2; exit 2; }
release=$(sed -n 's/^upstream[[:space:]]*//p' "$pin")
overlay=$(sed -n 's/^overlay[[:space:]]*//p' "$pin")
stock=$(GOTOOLCHAIN=$release go env GOROOT)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
root=$tmp/goroot
cp -R "$stock" "$root"
chmod -R u+w "$root"
cp -R "$repo/src/${overlay:-$line}/." "$root/src"
export GOTOOLCHAIN=local GOROOT="$root" GOCACHE="$tmp/gocache" GOFLAGS='' GOWORK=off GODEBUG='' GOEXPERIMENT=''
# Only go1.22 has package iter behind an experiment.
[ ! -e "$root/src/internal/goexperiment/exp_rangefunc_on.go" ] || GOEXPERIMENT=rangefunc

status=0
for patch in "$repo/patches/$line"/*.patch; do
	(cd "$root" && git apply "$patch")
	(cd "$root/src" && "$root/bin/go" test -json -count=1 -run "$run" "$@" runtime iter) >"$tmp/json" || :
	count() { grep -c "\"Action\":\"$1\",.*\"Test\":" "$tmp/json" || :; }
	passed=$(count pass) failed=$(count fail)
	echo "after $(basename "$patch"): $passed passed, $failed failed, $(count skip) skipped"
	sed -n 's/.*"Action":"fail",.*"Test":"\([^"]*\)".*/	\1/p' "$tmp/json"
	[ "$passed" != 0 ] && grep -q '"Action":"pass","Package":"runtime","Elapsed"' "$tmp/json" || status=1
done
exit $status
