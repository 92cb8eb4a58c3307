#!/bin/sh
# Repeat-programs runs each of the 19 coroutine programs many times, at
# GOMAXPROCS 1, 2 and 4, straight from the shell: no test binary, no time
# limit but its own, nothing between the program and the count.
#
#	sh scripts/repeat-programs.sh GOROOT COUNT [build flag ...]
#
# A program's first line says what the rest must be: exactly OK, or a text that
# it holds while the program dies. Exit status: 0 all runs were so, 1 not all.
set -eu
[ $# -ge 2 ] || { echo "usage: sh scripts/repeat-programs.sh GOROOT COUNT [build flag ...]" >&2; exit 2; }
goroot=$1 count=$2
shift 2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export GOTOOLCHAIN=local GOROOT="$goroot" GOFLAGS='' GOEXPERIMENT=rangefunc
export GOCACHE="${GOCACHE:-$tmp/gocache}"
runs=0 bad=0
for prog in testprog testprogcgo; do
	(cd "$goroot/src/runtime/testdata/$prog" && "$goroot/bin/go" build -o "$tmp/$prog" "$@" .)
	test=coroLockOSThreadPrograms
	[ $prog = testprog ] || test=coroCgoCallbackPrograms
	# The names are those of the list in the test, no others.
	list=$(sed -n "/^var $test = /,/^}/s/^[[:space:]]*\"\(.*\)\",$/\1/p" "$goroot/src/runtime/coro_test.go")
	for procs in 1 2 4; do
		for name in $list; do
			i=0
			while [ $i -lt "$count" ]; do
				i=$((i + 1)) runs=$((runs + 1)) status=0
				out=$(GOMAXPROCS=$procs timeout 60 "$tmp/$prog" "$name" 2>&1) || status=$?
				want=$(printf '%s\n' "$out" | sed -n '1s/^expect: //p')
				rest=$(printf '%s\n' "$out" | sed 1d)
				if [ "$want" = OK ]; then
					[ "$rest" = OK ] && [ $status = 0 ] && continue
				elif [ -n "$want" ] && [ $status != 0 ] && [ $status != 124 ]; then
					case $rest in *"$want"*) continue ;; esac
				fi
				bad=$((bad + 1))
				printf '%s GOMAXPROCS=%s run %s: status %s\n%s\n' "$name" $procs $i $status "$out"
			done
		done
	done
done
echo "$runs runs, $bad not as expected"
[ $runs -gt 0 ] && [ $bad = 0 ]
