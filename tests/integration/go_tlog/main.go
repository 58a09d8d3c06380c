// Command go_tlog reads a log with the Go project's own sumdb packages and none of our code.
//
// Usage: go_tlog LOG_FOLDER VKEY
//
// It verifies the checkpoint's note, authenticates tiles against its root, checks that every entry
// hashes to its authenticated leaf, proves and checks inclusion and consistency, and prints what
// it found as one JSON object. It exits 1 at the first thing that is wrong.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height    = 8
	width     = 1 << height
	proveAll  = 1000 // up to this size every entry and every older size is proven one by one
	proveEach = 1009 // above it, one in so many, and the last
)

type report struct {
	Origin      string              `json:"origin"`
	Size        int64               `json:"size"`
	Root        string              `json:"root"`
	Entries     int64               `json:"entries"`
	Inclusion   map[string][]string `json:"inclusion"`
	Consistency map[string][]string `json:"consistency"`
	OldRoots    map[string]string   `json:"old_roots"`
}

// folder serves tiles from files. Our paths are Go's without the height: tile/8/0/001 is tile/0/001.
type folder struct{ root string }

func (f folder) Height() int { return height }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range tiles {
		b, err := os.ReadFile(f.path(tile))
		if err != nil {
			return nil, err
		}
		data = append(data, b)
	}
	return data, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) path(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	if rest, found := strings.CutPrefix(path, "data/"); found {
		path = "entries/" + rest
	}
	return filepath.Join(f.root, "tile", filepath.FromSlash(path))
}

func (f folder) entries(index, count int64) ([][]byte, error) {
	bundle, err := os.ReadFile(f.path(tlog.Tile{H: height, L: -1, N: index, W: int(count)}))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(bundle) > 0 {
		if len(bundle) < 2 {
			return nil, fmt.Errorf("bundle %d: cut off", index)
		}
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		if len(bundle) < end {
			return nil, fmt.Errorf("bundle %d: cut off", index)
		}
		entries = append(entries, bundle[2:end])
		bundle = bundle[end:]
	}
	if int64(len(entries)) != count {
		return nil, fmt.Errorf("bundle %d: %d entries, not %d", index, len(entries), count)
	}
	return entries, nil
}

func openCheckpoint(root, vkey string) (origin string, tree tlog.Tree, err error) {
	data, err := os.ReadFile(filepath.Join(root, "checkpoint"))
	if err != nil {
		return "", tree, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return "", tree, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return "", tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != verifier.Name() {
		return "", tree, fmt.Errorf("not a checkpoint of %s: %q", verifier.Name(), opened.Text)
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return "", tree, err
	}
	hash, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(hash) != tlog.HashSize {
		return "", tree, fmt.Errorf("root hash %q: %v", lines[2], err)
	}
	copy(tree.Hash[:], hash)
	return lines[0], tree, nil
}

func checkEntries(f folder, tree tlog.Tree, hashes tlog.HashReader, out *report) error {
	for first := int64(0); first < tree.N; first += width {
		count := min(width, tree.N-first)
		entries, err := f.entries(first/width, count)
		if err != nil {
			return err
		}
		var stored []int64
		for i := range entries {
			stored = append(stored, tlog.StoredHashIndex(0, first+int64(i)))
		}
		leaves, err := hashes.ReadHashes(stored)
		if err != nil {
			return err
		}
		for i, entry := range entries {
			index := first + int64(i)
			if tlog.RecordHash(entry) != leaves[i] {
				return fmt.Errorf("entry %d does not hash to its leaf", index)
			}
			out.Entries++
			if tree.N > proveAll && index%proveEach != 0 && index != tree.N-1 {
				continue
			}
			proof, err := tlog.ProveRecord(tree.N, index, hashes)
			if err != nil {
				return err
			}
			err = tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
			if err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
			out.Inclusion[strconv.FormatInt(index, 10)] = hexes(proof)
		}
	}
	return nil
}

func checkConsistency(tree tlog.Tree, hashes tlog.HashReader, out *report) error {
	for old := int64(1); old < tree.N; old++ {
		if tree.N > proveAll && old%proveEach != 0 && old != tree.N-1 {
			continue
		}
		oldRoot, err := tlog.TreeHash(old, hashes)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(tree.N, old, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old, oldRoot); err != nil {
			return fmt.Errorf("size %d: %w", old, err)
		}
		out.Consistency[strconv.FormatInt(old, 10)] = hexes(proof)
		out.OldRoots[strconv.FormatInt(old, 10)] = hex.EncodeToString(oldRoot[:])
	}
	return nil
}

func hexes(hashes []tlog.Hash) []string {
	out := []string{}
	for _, hash := range hashes {
		out = append(out, hex.EncodeToString(hash[:]))
	}
	return out
}

func run(root, vkey string) error {
	origin, tree, err := openCheckpoint(root, vkey)
	if err != nil {
		return err
	}
	out := report{
		Origin: origin, Size: tree.N, Root: hex.EncodeToString(tree.Hash[:]),
		Inclusion: map[string][]string{}, Consistency: map[string][]string{},
		OldRoots: map[string]string{},
	}
	f := folder{root}
	hashes := tlog.TileHashReader(tree, f)
	if err := checkEntries(f, tree, hashes, &out); err != nil {
		return err
	}
	if err := checkConsistency(tree, hashes, &out); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go_tlog LOG_FOLDER VKEY")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
