// Command logcheck checks a Hush log with software that is not Hush's: golang.org/x/mod/sumdb/note and tlog.
//
//	logcheck -url http://127.0.0.1:3000/log -vkey KEY [-old FILE]... [-proof FILE -entry FILE]
//
// It opens the checkpoint, reads tiles (checked against the root), reads every entry and compares it with its leaf, proves
// and checks the inclusion of each, and the consistency of every checkpoint given by -old with the served one.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type files []string

func (f *files) String() string     { return strings.Join(*f, ",") }
func (f *files) Set(s string) error { *f = append(*f, s); return nil }

const height = 8

type log struct {
	url    string
	cached map[string][]byte
}

func (l log) get(path string) ([]byte, error) {
	response, err := http.Get(l.url + "/" + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	return io.ReadAll(response.Body)
}

// Height, ReadTiles and SaveTiles make a tlog.TileReader; sumdb's paths differ from tlog-tiles only by the height.
func (l log) Height() int { return height }
func (l log) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range tiles {
		path := "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
		data, found := l.cached[path]
		if !found {
			var err error
			if data, err = l.get(path); err != nil {
				return nil, err
			}
			l.cached[path] = data
		}
		read = append(read, data)
	}
	return read, nil
}
func (l log) SaveTiles([]tlog.Tile, [][]byte) {}

func (l log) entries(size int64) ([][]byte, error) {
	var all [][]byte
	for first := int64(0); first < size; first += 1 << height {
		width := min(size-first, 1<<height)
		path := tlog.Tile{H: height, L: -1, N: first >> height, W: int(width)}.Path()
		data, err := l.get("tile/entries/" + strings.TrimPrefix(path, "tile/8/data/"))
		if err != nil {
			return nil, err
		}
		for count := int64(0); count < width; count++ {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return nil, fmt.Errorf("bundle at %d is short of entry %d", first, first+count)
			}
			length := 2 + int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:length])
			data = data[length:]
		}
		if len(data) > 0 {
			return nil, fmt.Errorf("bundle at %d has %d bytes too many", first, len(data))
		}
	}
	return all, nil
}

func open(text []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return tlog.Tree{}, errors.New("the text is no checkpoint of this origin")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, errors.New("the size is not a number")
	}
	hash, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: hash}, err
}

func checkLog(l log, verifier note.Verifier, old []string) error {
	text, err := l.get("checkpoint")
	if err != nil {
		return err
	}
	tree, err := open(text, verifier)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	reader := tlog.TileHashReader(tree, l)
	if root, err := tlog.TreeHash(tree.N, reader); err != nil || root != tree.Hash {
		return fmt.Errorf("tiles do not give the root: %w", err)
	}
	entries, err := l.entries(tree.N)
	if err != nil {
		return err
	}
	for index, entry := range entries {
		proof, err := tlog.ProveRecord(tree.N, int64(index), reader)
		if err != nil {
			return fmt.Errorf("proof of %d: %w", index, err)
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, int64(index), tlog.RecordHash(entry)); err != nil {
			return fmt.Errorf("entry %d is not in the tree: %w", index, err)
		}
	}
	for _, file := range old {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		older, err := open(text, verifier)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if older.N == 0 {
			continue // RFC 6962 proves nothing about the empty tree.
		}
		proof, err := tlog.ProveTree(tree.N, older.N, reader)
		if err != nil {
			return fmt.Errorf("consistency with %d: %w", older.N, err)
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash); err != nil {
			return fmt.Errorf("not consistent with %d: %w", older.N, err)
		}
	}
	fmt.Printf("ok %d entries, %d checkpoints\n", len(entries), 1+len(old))
	return nil
}

// checkProof checks a c2sp.org/tlog-proof@v1 file.
func checkProof(verifier note.Verifier, proofFile, entryFile string) error {
	text, err := os.ReadFile(proofFile)
	if err != nil {
		return err
	}
	entry, err := os.ReadFile(entryFile)
	if err != nil {
		return err
	}
	head, checkpoint, found := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return errors.New("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(hash) != tlog.HashSize {
			return errors.New("a line of the proof is no hash")
		}
		proof = append(proof, tlog.Hash(hash))
	}
	tree, err := open(checkpoint, verifier)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		return err
	}
	fmt.Printf("ok entry %d of %d\n", index, tree.N)
	return nil
}

func main() {
	var old files
	url := flag.String("url", "", "prefix of the log")
	vkey := flag.String("vkey", "", "verifier key")
	proof := flag.String("proof", "", "a .tlog-proof to check with -entry")
	entry := flag.String("entry", "", "bytes of the entry that -proof is about")
	flag.Var(&old, "old", "file of an older checkpoint; may be given often")
	flag.Parse()
	verifier, err := note.NewVerifier(*vkey)
	if err == nil && *proof != "" {
		err = checkProof(verifier, *proof, *entry)
	} else if err == nil {
		err = checkLog(log{strings.TrimRight(*url, "/"), map[string][]byte{}}, verifier, old)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "logcheck:", err)
		os.Exit(1)
	}
}
