#!/bin/sh
# Repeat-programs runs each of the coroutine programs of a toolchain many times,
# at GOMAXPROCS 1, 2 and 4, straight from the shell: no test binary, no time
# limit but its own, nothing between the program and the count. They are the 19
# and, where locks can be shared, the 19 with GODEBUG=corolock=0 and the overlay's.
#
#	sh scripts/repeat-programs.sh GOROOT COUNT [build flag ...]
#
# COUNT may be two numbers, 1000,10: the second is for the overlay's programs.
# A program's first line says what the rest must be: exactly OK, or a text that
# it holds while the program dies. With shared locks the 19 must all print OK, and
# with corolock=0 seven of them must die.
# Exit status: 0 all runs were so, 1 not all.
set -eu
[ $# -ge 2 ] || { echo "usage: sh scripts/repeat-programs.sh GOROOT COUNT [build flag ...]" >&2; exit 2; }
goroot=$1 count=${2%,*} more=${2#*,}
shift 2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export GOTOOLCHAIN=local GOROOT="$goroot" GOFLAGS='' GOEXPERIMENT=''
export GOCACHE="${GOCACHE:-$tmp/gocache}"
# Only go1.22 has package iter behind an experiment.
[ ! -e "$goroot/src/internal/goexperiment/exp_rangefunc_on.go" ] || GOEXPERIMENT=rangefunc
runs=0 bad=0

# repeat BINARY SETTING runs the programs whose names it reads. With a setting,
# which is corolock=0, those named in dies do that, whatever their first lines say.
dies='CoroLockOSThreadIterLockYield CoroLockOSThreadLockIterLockYield
CoroLockOSThreadLockIterYieldNewG CoroLockOSThreadLockAfterPull
CoroCgoIterCallbackYield CoroCgoCallbackIterCallbackYield CoroCgoCallbackAfterPull'
repeat() {
	read -r list || :
	[ -n "$list" ] || { echo "$0: no programs of $1 found in $goroot/src/runtime: the tests are not as this script knows them" >&2; exit 1; }
	for procs in 1 2 4; do
		for name in $list; do
			i=0
			while [ $i -lt "$count" ]; do
				i=$((i + 1)) runs=$((runs + 1)) status=0
				out=$(GOMAXPROCS=$procs GODEBUG=$2 timeout 60 "$tmp/$1" "$name" 2>&1) || status=$?
				want=$(printf '%s\n' "$out" | sed -n '1s/^expect: //p')
				rest=$(printf '%s\n' "$out" | sed 1d)
				[ -z "$2" ] || [ -z "$want" ] || ! echo "$dies" | grep -qw "$name" || want='OS thread locking must match'
				if [ "$want" = OK ]; then
					[ "$rest" = OK ] && [ $status = 0 ] && continue
				elif [ -n "$want" ] && [ $status != 0 ] && [ $status != 124 ]; then
					case $rest in *"$want"*) continue ;; esac
				fi
				bad=$((bad + 1))
				printf '%s %s GOMAXPROCS=%s run %s: status %s\n%s\n' "$name" "$2" $procs $i $status "$out"
			done
		done
	done
}

for prog in testprog testprogcgo; do
	(cd "$goroot/src/runtime/testdata/$prog" && "$goroot/bin/go" build -o "$tmp/$prog" "$@" .)
	from='coroLockOSThreadPrograms \|func TestCoroLockOSThread(' table=coroLockProgs
	[ $prog = testprog ] || from='coroCgoCallbackPrograms \|func TestCoroCgoCallback(' table=coroLockCgoProgs
	# The names are those of the lists in the tests, no others. Go1.22's test
	# has them in a variable, upstream's own in the function.
	sed -n "/^\(var \)*\($from\)/,/^}/s/^[[:space:]]*\"\(.*\)\",$/\1/p" "$goroot/src/runtime/coro_test.go" | tr '\n' ' ' >"$tmp/list"
	repeat $prog '' <"$tmp/list"
	shared=$goroot/src/runtime/corolock_test.go
	if [ -e "$shared" ]; then
		repeat $prog corolock=0 <"$tmp/list"
		sed -n "/^var $table /,/^}/s/^[[:space:]]*{name: \"\([A-Za-z0-9]*\)\".*/\1/p" "$shared" | tr '\n' ' ' >"$tmp/list"
		all=$count count=$more
		repeat $prog '' <"$tmp/list"
		count=$all
	fi
done
echo "$runs runs, $bad not as expected"
[ $runs -gt 0 ] && [ $bad = 0 ]
