package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	const stock = `goos: linux
BenchmarkNext/plain-2   	1000	 60.0 ns/op	 0 B/op
BenchmarkNext/plain-2   	1000	 70.0 ns/op	 0 B/op
BenchmarkNext/plain-2   	1000	 900 ns/op	 0 B/op
BenchmarkOnlyHere-2     	1000	 5 ns/op
BenchmarkEnd<1>-2       	1000	 2000 ns/op
PASS
`
	const patched = "BenchmarkNext/plain-2 1000 14.0 ns/op\nBenchmarkNext/plain-2 1000 21.0 ns/op\nBenchmarkEnd<1>-2 1000 1000 ns/op\n"
	const channels = "BenchmarkNext/plain-2 1000 350 ns/op\n"
	var b strings.Builder
	err := Write(&b, "a & b", []Side{
		{"stock", strings.NewReader(stock)}, {"patched", strings.NewReader(patched)}, {"channels", strings.NewReader(channels)},
	})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	dec := xml.NewDecoder(strings.NewReader(b.String()))
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := tok.(xml.CharData); ok && strings.TrimSpace(string(c)) != "" {
			texts = append(texts, string(c))
		}
	}
	got := strings.Join(texts[1:], "|") // without the style sheet
	want := "a & b|stock|patched|channels|Next/plain|70 ns|17.5 ns, 0.25 ×|350 ns, 5.00 ×|End<1>|2 µs|1 µs, 0.50 ×"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, bar := range []string{`width="300.0"`, `width="75.0"`, `width="450.0"`} {
		if !strings.Contains(b.String(), bar) {
			t.Errorf("no bar has %s", bar)
		}
	}
	if err := Write(io.Discard, "", []Side{{"stock", strings.NewReader(stock)}, {"patched", strings.NewReader("PASS\n")}}); err == nil {
		t.Error("got no error of results that cannot be compared")
	}
}
