package model

// Who uses the coroutines, in several models.
var (
	oneCoro       = []Coro{{Maker: 1, Own: 2, Outer: []gid{1}, Inner: []gid{2}}}
	foreignYield  = []Coro{{Maker: 1, Own: 2, Outer: []gid{1}, Inner: []gid{2, 3}}}
	foreignNext   = []Coro{{Maker: 1, Own: 2, Outer: []gid{1, 3}, Inner: []gid{2}}}
	foreignBoth   = []Coro{{Maker: 1, Own: 2, Outer: []gid{1, 3}, Inner: []gid{2, 3}}}
	nested        = []Coro{{Maker: 1, Own: 2, Outer: []gid{1}, Inner: []gid{2}}, {Maker: 2, Own: 3, Outer: []gid{2}, Inner: []gid{3}}}
	nestedForeign = []Coro{{Maker: 1, Own: 2, Outer: []gid{1}, Inner: []gid{2, 3}}, {Maker: 2, Own: 3, Outer: []gid{2, 1}, Inner: []gid{3}}}
)

// Configs are the bounds of the models that the CI explores.
var Configs = []*Config{
	{Name: "one iterator", Procs: 1, Budget: []uint8{7, 5}, Coros: oneCoro, Locks: 2, Blocks: []gid{1, 2}, Exits: []gid{1, 2}},
	{Name: "foreign yield", Procs: 2, Budget: []uint8{4, 2, 2}, Coros: foreignYield, Locks: 1, Blocks: []gid{1, 2}, Exits: []gid{1}},
	{Name: "loans renewed", Procs: 1, Budget: []uint8{7, 2, 1}, Coros: foreignYield, Locks: 2},
	{Name: "foreign next", Procs: 2, Budget: []uint8{4, 3, 2}, Coros: foreignNext, Locks: 1, Exits: []gid{1}},
	{Name: "nested", Procs: 2, Budget: []uint8{4, 4, 3}, Coros: nested, Locks: 1, Blocks: []gid{1}},
	{Name: "debts", Procs: 1, Budget: []uint8{6, 4, 3}, Coros: nested, Locks: 2},
	{Name: "debts, foreign yield", Procs: 1, Budget: []uint8{5, 3, 3}, Coros: nestedForeign, Locks: 2, Exits: []gid{2}},
	{
		Name: "siblings", Procs: 2, Budget: []uint8{6, 2, 2},
		Coros: []Coro{{Maker: 1, Own: 2, Outer: []gid{1}, Inner: []gid{2}}, {Maker: 1, Own: 3, Outer: []gid{1, 2}, Inner: []gid{3}}},
		Locks: 1, Blocks: []gid{1}, Exits: []gid{1, 2, 3},
	},
	{
		Name: "nested, foreign yield", Procs: 2, Budget: []uint8{4, 2, 2},
		Coros: []Coro{{Maker: 1, Own: 2, Outer: []gid{1}, Inner: []gid{2, 3}}, {Maker: 2, Own: 3, Outer: []gid{2}, Inner: []gid{3}}},
		Locks: 1,
	},
	{Name: "callbacks", Procs: 1, Budget: []uint8{7, 5}, Coros: oneCoro, Locks: 1, Callbacks: []gid{1, 2}},
	{Name: "nested callbacks", Procs: 1, Budget: []uint8{4, 3, 3}, Coros: nestedForeign, Locks: 1, Blocks: []gid{1, 2}, Callbacks: []gid{1, 2}, Exits: []gid{1, 2, 3}},
	{Name: "three callbacks", Procs: 1, Budget: []uint8{4, 6, 4}, Coros: nested, Callbacks: []gid{1, 2, 3}},
	{Name: "foreign callbacks", Procs: 1, Budget: []uint8{5, 3, 2}, Coros: foreignNext, Locks: 1, Callbacks: []gid{1, 2}},
	{Name: "system calls", Procs: 1, Budget: []uint8{5, 3, 2}, Coros: foreignYield, Locks: 1, Calls: []gid{1, 2, 3}},
	{Name: "turns", Procs: 2, Budget: []uint8{6, 5, 2}, Fair: true, Coros: foreignYield, Locks: 1, Calls: []gid{1, 2}},
	{Name: "turns, one P", Procs: 1, Budget: []uint8{5, 1, 1, 1}, Fair: true, Coros: foreignYield, Locks: 1, Calls: []gid{1}},
}

// Larger are bounds for a longer look.
var Larger = []*Config{
	{
		Name: "two foreigners", Procs: 2, Budget: []uint8{4, 2, 1, 1},
		Coros: []Coro{{Maker: 1, Own: 2, Outer: []gid{1, 3, 4}, Inner: []gid{2, 3, 4}}},
		Locks: 1, Exits: []gid{1, 2},
	},
	{Name: "everything", Procs: 2, Budget: []uint8{4, 3, 2}, Coros: foreignBoth, Locks: 2, Blocks: []gid{1, 2}, Callbacks: []gid{1, 2}, Exits: []gid{1, 2, 3}},
	{
		Name: "everything, one P", Procs: 1, Budget: []uint8{4, 3, 2},
		Coros: foreignBoth,
		Locks: 2, Blocks: []gid{1, 2}, Callbacks: []gid{1, 2, 3}, Exits: []gid{1, 2, 3}, Calls: []gid{3},
	},
}

// Limit is a model in which B1 does not hold. g3 has a claim on the thread when it
// yields in the place of g2, by a switch under equal locks, which the runtime does
// not note. So the loan of g2 goes on. docs/corolock.md says why the runtime does not
// prevent that.
var Limit = &Config{
	Name: "foreign yield with a claim", Procs: 1, Budget: []uint8{6, 1, 4, 1},
	Coros: []Coro{{Maker: 1, Own: 2, Outer: []gid{1}, Inner: []gid{3}}, {Maker: 1, Own: 3, Outer: []gid{1, 4}, Inner: []gid{3}}},
	Locks: 2, Blocks: []gid{1},
}
