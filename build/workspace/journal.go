package workspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gocoro/build/store"
)

// A change is a file of the checkout that is to be written, or removed.
type change struct {
	Path     string // relative to the top of the checkout
	Old, New []byte // nil: there is no such file

	To string `json:"-"` // the name that what it held has now, if it is removed
}

// journalFile is where the changes of a save stand while they are made. Whoever
// finds it makes them all, or takes them all back.
func journalFile(root string) string { return filepath.Join(root, editFolder, "journal") }

// write makes all changes, or none that stays: once the journal is on disk, the
// next command finishes what this one did not.
func write(root string, changes []change, step func(string) error) error {
	if len(changes) == 0 {
		return nil
	}
	data, err := json.Marshal(changes)
	if err != nil {
		return err
	}
	if err := step("journal"); err != nil {
		return err
	}
	if err := store.WriteFile(journalFile(root), data); err != nil {
		return err
	}
	return finish(root, changes, step)
}

func finish(root string, changes []change, step func(string) error) error {
	for _, c := range changes {
		if err := step(c.Path); err != nil {
			return err
		}
		if err := put(root, c.Path, c.New); err != nil {
			return fmt.Errorf("%w\n\tthe new files are in %s: when the cause is gone, any of the commands edit, save and rebase writes the rest", err, journalFile(root))
		}
	}
	if err := step("end"); err != nil {
		return err
	}
	return os.Remove(journalFile(root))
}

// put makes the file what data says.
func put(root, path string, data []byte) error {
	file := filepath.Join(root, filepath.FromSlash(path))
	if data != nil {
		return store.WriteFile(file, data)
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// git keeps no empty folders.
	for dir := filepath.Dir(file); dir != root && os.Remove(dir) == nil; dir = filepath.Dir(dir) {
	}
	return nil
}

// readJournal returns the changes that an interrupted command had begun to
// make, or nil.
func readJournal(root string) ([]change, error) {
	data, err := os.ReadFile(journalFile(root))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var changes []change
	if err := json.Unmarshal(data, &changes); err != nil {
		return nil, fmt.Errorf("%s is damaged: %v\n\tlook at git status and git diff, restore what is wrong, and remove the file", journalFile(root), err)
	}
	return changes, nil
}

// recover finishes what an interrupted command had begun to write. It reports
// whether there was something.
func recoverJournal(root string) (bool, error) {
	changes, err := readJournal(root)
	if changes == nil || err != nil {
		return false, err
	}
	return true, finish(root, changes, noStep)
}

// rollBack takes back what an interrupted command had begun to write.
func rollBack(root string) (bool, error) {
	changes, err := readJournal(root)
	if changes == nil || err != nil {
		return false, err
	}
	for i := range changes {
		changes[i].New, changes[i].Old = changes[i].Old, changes[i].New
	}
	return true, finish(root, changes, noStep)
}

func noStep(string) error { return nil }
