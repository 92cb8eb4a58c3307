// Package sumdb keeps a signed checksum database for toolchain modules as
// plain files, which any static host can serve.
//
// The go command asks the checksum database about golang.org/toolchain at
// every run, whatever GONOSUMDB says, unless GOPROXY is a single file:// URL.
// The public database does not know a fork's modules. With one of our own,
// GOSUMDB names the key, and the go command itself refuses a module that was
// tampered with.
//
// The files of a database called NAME are in sumdb/NAME of a module proxy, where
// the go command looks for one behind a proxy. Their format is
// that of https://go.dev/design/25530-sumdb; golang.org/x/mod/sumdb reads it.
package sumdb

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"gocoro/build/hint"
	"gocoro/build/store"
)

// tileHeight is the height of the tiles that the go command asks for.
// Source: golang.org/x/mod/sumdb.Client, whose default it is.
const tileHeight = 8

// A Key signs a database. Its text is that of golang.org/x/mod/sumdb/note.
type Key struct {
	signer   note.Signer
	verifier note.Verifier
	Public   string // for GOSUMDB: NAME+HASH+KEY
}

// Name returns the name of the key's database, a host or the beginning of a URL
// without its scheme.
func (k *Key) Name() string { return k.verifier.Name() }

// ReadKey reads a key from a file that NewKey has written.
func ReadKey(file string) (*Key, error) {
	const how = "make one, once, and keep it from others: go run ./build key -o FILE NAME"
	if isPrivate(file) {
		return nil, hint.Add(errors.New("the key of the checksum database: this is the private key itself, want the name of its file"), "give the file with -sumdb-key")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("the key of the checksum database: %w", err), how)
	}
	text := strings.TrimSpace(string(data))
	signer, err := note.NewSigner(text)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("%s is not a key of a checksum database (PRIVATE+KEY+NAME+HASH+DATA): %v", file, err), how)
	}
	if err := checkName(signer.Name()); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	// note has no way from a signer to its verifier. The last field of the text is
	// a byte for the algorithm and the seed of an Ed25519 key.
	f := strings.SplitN(text, "+", 5) // base64 may itself hold a plus sign
	seed, err := base64.StdEncoding.DecodeString(f[len(f)-1])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return nil, hint.Add(fmt.Errorf("%s: the key is not an Ed25519 key", file), how)
	}
	public := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey)
	vkey, err := note.NewEd25519VerifierKey(signer.Name(), public)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	return &Key{signer, verifier, vkey}, nil
}

// CheckPublic returns an error if text is not the public part of a key. The error
// does not have the text, which may be secret.
func CheckPublic(text string) error {
	const next = "give what go run ./build key printed: NAME+HASH+KEY"
	if isPrivate(text) {
		return hint.Add(errors.New("this is a private key, which signs a checksum database, and which nobody else may see"), next)
	}
	if _, err := note.NewVerifier(text); err != nil {
		return hint.Add(fmt.Errorf("this is not the public key of a checksum database: %w", err), next)
	}
	return nil
}

// isPrivate reports whether text has a private key in it, which no error may print.
func isPrivate(text string) bool { return strings.Contains(text, "PRIVATE+KEY") }

// checkName checks the name of a database, which is a path below proxy/sumdb.
func checkName(name string) error {
	if !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "+\\ \t\n") {
		return hint.Add(fmt.Errorf("%q cannot be the name of a checksum database", name), "give a host, with a path if you like, such as dl.example.org/gocoro")
	}
	return nil
}

// NewKey writes a new key for the database called name into a file that must
// not exist, readable by nobody else, and returns its public part.
func NewKey(file, name string) (public string, err error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return "", hint.Add(fmt.Errorf("%s exists: a key is never replaced, because that would lock out whoever trusts it", file), "give another file")
	}
	if err != nil {
		return "", hint.Add(err, "give another file with -o")
	}
	_, err = fmt.Fprintln(f, skey)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(file)
		return "", err
	}
	return vkey, nil
}

// A Record is what the database says of one module version.
type Record struct {
	Path, Version string
	Zip, Mod      string // h1 hashes of the module and of its go.mod
}

func (r Record) text() string {
	return fmt.Sprintf("%s %s %s\n%[1]s %[2]s/go.mod %[4]s\n", r.Path, r.Version, r.Zip, r.Mod)
}

// KeyFile is the file in which a database states the key that signs it. It proves
// nothing: to trust the database, get the key from somewhere else.
const KeyFile = "key"

// Dir returns where the database of the name is in the directory of a proxy.
func Dir(proxy, name string) string {
	return filepath.Join(proxy, "sumdb", filepath.FromSlash(name))
}

// Add adds the records that are new to the database of the key in the proxy's
// directory. It makes the database if there is none. Add returns an error if a
// version has other hashes there, or if the database does not agree with what was
// signed in it: a database never takes anything back.
//
// Add may be killed at any moment. The next one continues from what was signed, and
// writes what is missing.
func Add(proxy string, k *Key, records []Record) error {
	return add(proxy, k, records, store.WriteFile)
}

// Check returns the error that Add would return before it writes anything.
func Check(proxy string, k *Key, records []Record) error {
	_, err := prepare(Dir(proxy, k.Name()), k, records)
	return err
}

// add is Add with a function that replaces a file as a whole.
func add(proxy string, k *Key, records []Record, writeFile func(name string, data []byte) error) error {
	dir := Dir(proxy, k.Name())
	db, err := prepare(dir, k, records)
	if err != nil {
		return err
	}
	n := int64(len(db.texts))
	if n == 0 {
		return nil
	}
	write := func(name string, data []byte) error {
		return writeFile(filepath.Join(dir, filepath.FromSlash(name)), data)
	}
	// The order makes a killed run harmless. Until "latest" is written, no record is
	// signed, and the next run may replace what was written. From then on, the next
	// run knows what was signed. Clients get the signed head with a lookup, and find
	// everything that it covers. If a lookup were written before "latest", the next
	// run would not know that its head was signed.
	if n > db.signed {
		hashes, err := hash(db.texts)
		if err != nil {
			return err
		}
		for _, t := range tlog.NewTiles(tileHeight, db.signed, n) {
			data, err := tlog.ReadTileData(t, hashes)
			if err != nil {
				return err
			}
			if err := write(t.Path(), data); err != nil {
				return err
			}
		}
		for i := db.signed >> tileHeight; i<<tileHeight < n; i++ {
			t, part := dataTile(i, n)
			if err := write(t.Path(), []byte(strings.Join(db.texts[part[0]:part[1]], "\n"))); err != nil {
				return err
			}
		}
		tree, err := tlog.TreeHash(n, hashes)
		if err != nil {
			return err
		}
		if db.head, err = note.Sign(&note.Note{Text: string(tlog.FormatTree(tlog.Tree{N: n, Hash: tree}))}, k.signer); err != nil {
			return err
		}
	}
	replace := func(name string, data []byte) error {
		if old, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name))); err == nil && bytes.Equal(old, data) {
			return nil
		}
		return write(name, data)
	}
	if err := replace("supported", nil); err != nil {
		return err
	}
	if err := replace(KeyFile, []byte(k.Public+"\n")); err != nil {
		return err
	}
	if err := replace("latest", db.head); err != nil {
		return err
	}
	for i, text := range db.texts {
		msg, err := tlog.FormatRecord(int64(i), []byte(text))
		if err != nil {
			return err
		}
		name, err := lookup(text)
		if err != nil {
			return err
		}
		// Keep a lookup with an earlier head, which is as good.
		if old, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name))); err == nil && bytes.HasPrefix(old, msg) {
			if _, err := note.Open(old[len(msg):], note.VerifierList(k.verifier)); err == nil {
				continue
			}
		}
		if err := write(name, append(msg, db.head...)); err != nil {
			return err
		}
	}
	return nil
}

// prepare reads the database in dir and appends the records that are new.
func prepare(dir string, k *Key, records []Record) (*database, error) {
	db, err := read(dir, k)
	if err != nil {
		return nil, err
	}
	have := map[string]string{}
	for _, t := range db.texts {
		have[id(t)] = t
	}
	for _, r := range records {
		text := r.text()
		switch t := have[id(text)]; t {
		case text:
		case "":
			if _, err := lookup(text); err != nil {
				return nil, err
			}
			have[id(text)] = text
			db.texts = append(db.texts, text)
		default:
			indented := func(text string) string {
				return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n\t      ")
			}
			return nil, hint.Add(fmt.Errorf("the checksum database in %s has other hashes for %s@%s:\n\thas   %s\n\twants %s", dir, r.Path, r.Version, indented(t), indented(text)), "a published name never changes: raise the revision in the line's pin")
		}
	}
	return db, nil
}

// id returns what a record's text is about: path and version.
func id(text string) string {
	f := strings.SplitN(text, " ", 3)
	return strings.Join(f[:min(2, len(f))], "@")
}

// lookup returns the name of the file with the answer about a record's text.
func lookup(text string) (string, error) {
	p, v, _ := strings.Cut(id(text), "@")
	p, err := module.EscapePath(p)
	if err != nil {
		return "", err
	}
	v, err = module.EscapeVersion(v)
	return path.Join("lookup", p+"@"+v), err
}

// dataTile returns the i-th tile of record texts of a database with n records,
// and which records it holds.
func dataTile(i, n int64) (tlog.Tile, [2]int64) {
	lo, hi := i<<tileHeight, min((i+1)<<tileHeight, n)
	return tlog.Tile{H: tileHeight, L: -1, N: i, W: int(hi - lo)}, [2]int64{lo, hi}
}

// A database is what the files of a checksum database hold.
type database struct {
	texts  []string // of the records, also of those that are not written yet
	signed int64    // how many of them the head speaks of
	head   []byte   // the signed note about them; nil if there is none
}

// read reads the database in dir, which is empty if there is none: the records
// that the signed head in "latest" speaks of.
func read(dir string, k *Key) (*database, error) {
	const restore = "restore it from where it is served"
	latest := filepath.Join(dir, "latest")
	data, err := os.ReadFile(latest)
	if errors.Is(err, fs.ErrNotExist) {
		// Without it, a new history would begin under the same name. Clients that
		// have seen the old one would refuse it.
		if _, err := os.Lstat(filepath.Join(dir, "lookup")); err == nil {
			return nil, hint.Add(fmt.Errorf("the checksum database in %s has answers and no signed head, %s", dir, latest), restore)
		}
		return new(database), nil
	}
	if err != nil {
		return nil, err
	}
	n, err := note.Open(data, note.VerifierList(k.verifier))
	if err != nil {
		return nil, hint.Add(fmt.Errorf("%s is not signed by the key %s: %v", latest, k.Public, err), "use the key that the database was begun with")
	}
	tree, err := tlog.ParseTree([]byte(n.Text))
	if err != nil {
		return nil, hint.Add(fmt.Errorf("%s: %v", latest, err), restore)
	}
	db := &database{signed: tree.N, head: data}
	for i := int64(0); i<<tileHeight < db.signed; i++ {
		t, part := dataTile(i, db.signed)
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(t.Path())))
		if err != nil {
			return nil, hint.Add(fmt.Errorf("the checksum database is not whole: %w", err), restore)
		}
		// A blank line separates records, each of whose lines ends in \n.
		for r := range strings.SplitSeq(strings.TrimSuffix(string(data), "\n"), "\n\n") {
			db.texts = append(db.texts, r+"\n")
		}
		if int64(len(db.texts)) != part[1] {
			return nil, hint.Add(fmt.Errorf("%s holds %d records up to its end, the signed head %s wants %d", filepath.Join(dir, t.Path()), len(db.texts), latest, part[1]), restore)
		}
	}
	hashes, err := hash(db.texts)
	if err != nil {
		return nil, err
	}
	if got, err := tlog.TreeHash(tree.N, hashes); err != nil {
		return nil, err
	} else if got != tree.Hash {
		return nil, hint.Add(fmt.Errorf("the records of the checksum database in %s are not those that the head in %s was signed for: hash %v, want %v", dir, latest, got, tree.Hash), restore)
	}
	return db, nil
}

// hash returns the stored hashes of the records, in the order of
// tlog.StoredHashIndex.
func hash(texts []string) (tlog.HashReader, error) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range indexes {
			if i >= int64(len(stored)) {
				return nil, fmt.Errorf("hash %d of %d", i, len(stored))
			}
			out = append(out, stored[i])
		}
		return out, nil
	})
	for n, t := range texts {
		h, err := tlog.StoredHashes(int64(n), []byte(t), reader)
		if err != nil {
			return nil, err
		}
		stored = append(stored, h...)
	}
	return reader, nil
}

// Lookup returns what the database in dir says of a module version: its lines in a
// go.sum. Like the go command it checks the signature with the public key, and the
// record with the tree's hashes.
func Lookup(dir, key, path, version string) ([]string, error) {
	return sumdb.NewClient(&files{dir: dir, key: key, config: map[string][]byte{}}).Lookup(path, version)
}

// files lets the client of the go command read a database from its directory.
type files struct {
	dir, key string
	mu       sync.Mutex
	config   map[string][]byte
}

func (f *files) ReadRemote(path string) ([]byte, error) {
	return os.ReadFile(filepath.Join(f.dir, filepath.FromSlash(path)))
}

func (f *files) ReadConfig(file string) ([]byte, error) {
	if file == "key" {
		return []byte(f.key), nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.config[file], nil
}

func (f *files) WriteConfig(file string, _, data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.config[file] = data
	return nil
}

func (f *files) ReadCache(string) ([]byte, error) { return nil, fs.ErrNotExist }
func (f *files) WriteCache(string, []byte)        {}
func (f *files) Log(string)                       {}
func (f *files) SecurityError(string)             {} // Lookup returns it, too
