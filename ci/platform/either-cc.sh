#!/bin/sh
# A C compiler for arm64, and for the host, amd64, when the go command asks for
# that: it then says -m64, which only amd64's compiler knows.
for arg do
	if [ "$arg" = -m64 ]; then
		exec gcc "$@"
	fi
done
exec aarch64-linux-gnu-gcc "$@"
