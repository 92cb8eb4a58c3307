// Package programs has benchmarks of small programs in which iter.Pull does the
// work that people otherwise write a state machine for.
package programs

import (
	"bufio"
	"cmp"
	"container/heap"
	"database/sql"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	_ "github.com/mattn/go-sqlite3"
)

// userTime starts to measure the user time of a benchmark, which is wanted beside
// the wall time. What it returns reports it.
func userTime(b *testing.B) func() {
	now := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano()
	}
	start := now()
	return func() { b.ReportMetric(float64(now()-start)/float64(b.N), "user-ns/op") }
}

// A token is a number, or an operator or parenthesis.
type token struct {
	op    byte // 0 for a number
	value int
}

// tokens returns the tokens of an expression.
func tokens(s string) iter.Seq[token] {
	return func(yield func(token) bool) {
		for i := 0; i < len(s); {
			t := token{op: s[i]}
			i++
			if t.op >= '0' && t.op <= '9' {
				t.value, t.op = int(t.op-'0'), 0
				for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
					t.value = t.value*10 + int(s[i]-'0')
				}
			}
			if !yield(t) {
				return
			}
		}
	}
}

// A parser evaluates an expression by recursive descent.
type parser struct {
	next func() (token, bool)
	t    token // not used yet
}

func (p *parser) take() { p.t, _ = p.next() }

func (p *parser) sum() int {
	v := p.product()
	for p.t.op == '+' || p.t.op == '-' {
		op := p.t.op
		p.take()
		if w := p.product(); op == '+' {
			v += w
		} else {
			v -= w
		}
	}
	return v
}

func (p *parser) product() int {
	v := p.operand()
	for p.t.op == '*' {
		p.take()
		v = v * p.operand() % 1000003
	}
	return v
}

func (p *parser) operand() int {
	t := p.t
	p.take()
	if t.op == '(' {
		v := p.sum()
		p.take()
		return v
	}
	return t.value
}

func expression(r *rand.Rand, depth int) string {
	if depth == 0 {
		return strconv.Itoa(r.IntN(1000))
	}
	op := string("+-*"[r.IntN(3)])
	return "(" + expression(r, depth-1) + op + expression(r, depth-1) + ")"
}

// BenchmarkLexer parses an expression of 16,384 numbers, whose lexer is an
// iterator.
func BenchmarkLexer(b *testing.B) {
	s := expression(rand.New(rand.NewPCG(1, 2)), 14)
	want := 0
	defer userTime(b)()
	for b.Loop() {
		next, stop := iter.Pull(tokens(s))
		p := &parser{next: next}
		p.take()
		got := p.sum()
		stop()
		if want == 0 {
			want = got
		}
		if got != want {
			b.Fatalf("got %d, want %d", got, want)
		}
	}
}

// numbers returns those in the lines of a file.
func numbers(b *testing.B, file string) iter.Seq[int] {
	return func(yield func(int) bool) {
		f, err := os.Open(file)
		if err != nil {
			b.Error(err)
			return
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if n, err := strconv.Atoi(lines.Text()); err != nil || !yield(n) {
				return
			}
		}
	}
}

// A source is a file that is being merged.
type source struct {
	value int
	next  func() (int, bool)
}

type sources []source

func (s sources) Len() int           { return len(s) }
func (s sources) Less(i, j int) bool { return s[i].value < s[j].value }
func (s sources) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *sources) Push(x any)        { *s = append(*s, x.(source)) }
func (s *sources) Pop() any {
	x := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return x
}

// BenchmarkMerge merges 16 sorted files of 2,000 numbers.
func BenchmarkMerge(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	dir := b.TempDir()
	var files []string
	for i := range 16 {
		list := make([]int, 2000)
		for j := range list {
			list[j] = r.IntN(1e6)
		}
		slices.Sort(list)
		file := filepath.Join(dir, strconv.Itoa(i))
		text := strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", "\n"), "[]")
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			b.Fatal(err)
		}
		files = append(files, file)
	}
	defer userTime(b)()
	for b.Loop() {
		var list sources
		for _, file := range files {
			next, stop := iter.Pull(numbers(b, file))
			defer stop()
			if n, ok := next(); ok {
				list = append(list, source{n, next})
			}
		}
		heap.Init(&list)
		count, last := 0, 0
		for len(list) > 0 {
			if list[0].value < last {
				b.Fatalf("got %d after %d", list[0].value, last)
			}
			last = list[0].value
			count++
			n, ok := list[0].next()
			if !ok {
				heap.Pop(&list)
				continue
			}
			list[0].value = n
			heap.Fix(&list, 0)
		}
		if count != 32000 {
			b.Fatalf("got %d numbers, want 32000", count)
		}
	}
}

// A tree is binary, and sorted.
type tree struct {
	left, right *tree
	value       int
}

func (t *tree) insert(v int) *tree {
	if t == nil {
		return &tree{value: v}
	}
	if v < t.value {
		t.left = t.left.insert(v)
	} else {
		t.right = t.right.insert(v)
	}
	return t
}

func (t *tree) all(yield func(int) bool) bool {
	return t == nil || t.left.all(yield) && yield(t.value) && t.right.all(yield)
}

func (t *tree) seq() iter.Seq[int] { return func(yield func(int) bool) { t.all(yield) } }

// BenchmarkTreeDiff counts what is in only one of two trees of 20,000 values.
func BenchmarkTreeDiff(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 6))
	var t1, t2 *tree
	for _, v := range r.Perm(20000) {
		if v%100 != 0 {
			t1 = t1.insert(v)
		}
		if v%100 != 1 {
			t2 = t2.insert(v)
		}
	}
	defer userTime(b)()
	for b.Loop() {
		next1, stop1 := iter.Pull(t1.seq())
		next2, stop2 := iter.Pull(t2.seq())
		differences := 0
		v1, ok1 := next1()
		v2, ok2 := next2()
		for ok1 || ok2 {
			switch {
			case !ok2 || ok1 && v1 < v2:
				differences++
				v1, ok1 = next1()
			case !ok1 || v2 < v1:
				differences++
				v2, ok2 = next2()
			default:
				v1, ok1 = next1()
				v2, ok2 = next2()
			}
		}
		stop1()
		stop2()
		if differences != 400 {
			b.Fatalf("got %d differences, want 400", differences)
		}
	}
}

// query returns the rows of a query for an integer and a string.
func query(b *testing.B, db *sql.DB, text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		rows, err := db.Query(text)
		if err != nil {
			b.Error(err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var id int
			var name string
			if err := rows.Scan(&id, &name); err != nil {
				b.Error(err)
				return
			}
			if !yield(id, name) {
				return
			}
		}
	}
}

// BenchmarkRows joins two tables of 2,000 rows in SQLite, read in order, each by
// an iterator.
func BenchmarkRows(b *testing.B) {
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(b.TempDir(), "db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for i, table := range []string{"person", "city"} {
		if _, err := db.Exec("create table " + table + " (id integer primary key, name text)"); err != nil {
			b.Fatal(err)
		}
		values := make([]string, 2000)
		for j := range values {
			values[j] = fmt.Sprintf("(%d, '%s %d')", j*(i+1), table, j)
		}
		if _, err := db.Exec("insert into " + table + " values " + strings.Join(values, ", ")); err != nil {
			b.Fatal(err)
		}
	}
	defer userTime(b)()
	for b.Loop() {
		next1, stop1 := iter.Pull2(query(b, db, "select id, name from person order by id"))
		next2, stop2 := iter.Pull2(query(b, db, "select id, name from city order by id"))
		pairs := 0
		id1, _, ok1 := next1()
		id2, _, ok2 := next2()
		for ok1 && ok2 {
			switch cmp.Compare(id1, id2) {
			case -1:
				id1, _, ok1 = next1()
			case 1:
				id2, _, ok2 = next2()
			default:
				pairs++
				id1, _, ok1 = next1()
				id2, _, ok2 = next2()
			}
		}
		stop1()
		stop2()
		if pairs != 1000 {
			b.Fatalf("got %d pairs, want 1000", pairs)
		}
	}
}
