package frame

import "time"

// ListFile is where, in the virtual machine, the runs are listed: a JSON array
// of Command.
const ListFile = "/runs.json"

// A Command is one run, as the virtual machine gets it.
type Command struct {
	Program string        // path in the machine
	Args    []string      // without the program's name
	Env     []string      // added to PATH, HOME and TMPDIR
	Timeout time.Duration // of the program alone; more than 0
}

// QuitTime is how long a program whose time is up has to print its stacks,
// after SIGQUIT, before it is killed.
const QuitTime = 5 * time.Second
