package workspace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gocoro/build/hint"
	"gocoro/build/line"
	"gocoro/build/store"
)

// A change is a file of the checkout that is to be written, or removed.
type change struct {
	Path     string // relative to the top of the checkout
	Old, New []byte // nil: there is no such file

	To string `json:"-"` // the new name of the file, if it is removed because it was renamed
}

// journalFile lists the changes of a save while they are made. A command that
// finds it makes all of them, or reverts all of them.
func journalFile(root string) string { return filepath.Join(root, filepath.FromSlash(line.Journal)) }

// undoFile is the new name of the journal once its changes are to be reverted.
// Every command that finds it reverts all of them.
func undoFile(root string) string { return filepath.Join(root, filepath.FromSlash(line.Undo)) }

// write makes all changes or none. Once the journal is on disk, the next command
// finishes what this one did not.
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
	if err := expected(root, changes, "nothing is written; look at git diff, and run the command again"); err != nil {
		return err
	}
	if err := store.WriteFile(journalFile(root), data); err != nil {
		return err
	}
	return finish(root, journalFile(root), changes, step)
}

// expected returns an error if somebody else has changed one of the files: if it
// is neither as it was before the changes nor as it is to be after them.
func expected(root string, changes []change, next string) error {
	same := func(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }
	for _, c := range changes {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(c.Path)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if !same(data, c.Old) && !same(data, c.New) {
			return hint.Add(fmt.Errorf("%s has changed since a command began to replace it", c.Path), "%s", next)
		}
	}
	return nil
}

// finish makes the changes, which are those of the journal or, reversed, of the
// undo file, and removes the file.
func finish(root, file string, changes []change, step func(string) error) error {
	next := "the new files are in %s: when the cause is gone, any of the commands edit, save and rebase writes the rest"
	if file == undoFile(root) {
		next = "the old files are in %s: when the cause is gone, any of the commands edit, save and rebase -abort puts the rest back"
	}
	for _, c := range changes {
		if err := step(c.Path); err != nil {
			return err
		}
		if err := put(root, c.Path, c.New); err != nil {
			return hint.Add(err, next, file)
		}
	}
	if err := step("end"); err != nil {
		return err
	}
	return os.Remove(file)
}

// put gives the file the content data, or removes it if data is nil.
func put(root, path string, data []byte) error {
	file := filepath.Join(root, filepath.FromSlash(path))
	if data != nil {
		return store.WriteFile(file, data)
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// git keeps no empty directories.
	for dir := filepath.Dir(file); dir != root && os.Remove(dir) == nil; dir = filepath.Dir(dir) {
	}
	return nil
}

// readJournal returns the changes that an interrupted command had begun to make,
// and the file that lists them. They are nil if there is no such file.
func readJournal(root string) (changes []change, file string, err error) {
	for _, file := range []string{undoFile(root), journalFile(root)} {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		if err := json.Unmarshal(data, &changes); err != nil {
			return nil, "", hint.Add(fmt.Errorf("%s is damaged: %v", file, err), "look at git status and git diff, restore what is wrong, and remove the file")
		}
		if file == undoFile(root) {
			for i := range changes {
				changes[i].New, changes[i].Old = changes[i].Old, changes[i].New
			}
		}
		return changes, file, nil
	}
	return nil, "", nil
}

// recoverJournal finishes what an interrupted command had begun to write or to
// revert. It reports whether there was anything.
func recoverJournal(root string, step func(string) error) (bool, error) {
	changes, file, err := readJournal(root)
	if changes == nil || err != nil {
		return false, err
	}
	if err := expected(root, changes, fmt.Sprintf("look at git status and git diff, and put the file back as it was before, or restore what is wrong and remove %s", file)); err != nil {
		return false, err
	}
	return true, finish(root, file, changes, step)
}

// rollBack reverts what an interrupted command had begun to write.
func rollBack(root string, step func(string) error) (bool, error) {
	if _, err := os.Lstat(journalFile(root)); err == nil {
		if err := step("undo"); err != nil {
			return false, err
		}
		// A rename works even if the disk is full.
		if err := os.Rename(journalFile(root), undoFile(root)); err != nil {
			return false, hint.Add(fmt.Errorf("nothing is reverted yet: %w", err), "fix the cause and, before any other command, run: go run ./build rebase -abort")
		}
	}
	return recoverJournal(root, step)
}
