package eso

import (
	"crypto/sha3"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The hashes are ESO's since 0.17: lower-case hex of SHA3-224 over what Go's %+v
// prints of the value. They are reproduced bit for bit, because equal hashes are
// what makes a take-over silent.

// DataHash is the value of AnnotationDataHash for a Secret's data. The bytes go
// straight into the hash: nothing is printed, and no second copy of the data is held.
func DataHash(data map[string][]byte) string {
	d := newDigest()
	d.text("map[")
	for i, key := range slices.Sorted(maps.Keys(data)) {
		if i > 0 {
			d.text(" ")
		}
		d.text(key)
		d.text(":[")
		d.bytes(data[key])
		d.text("]")
	}
	d.text("]")
	return d.sum()
}

// SyncedResourceVersion is what status.syncedResourceVersion holds after a sync of
// the object as it is now: its generation and a hash of all labels and annotations.
func SyncedResourceVersion(meta *metav1.ObjectMeta) string {
	d := newDigest()
	d.text("{annotations:")
	d.texts(meta.Annotations)
	d.text(" labels:")
	d.texts(meta.Labels)
	d.text("}")
	return strconv.FormatInt(meta.Generation, 10) + "-" + d.sum()
}

// CreatedBy is the value of LabelCreatedBy for the Secrets of an ExternalSecret.
func CreatedBy(namespace, name string) string { return hashText(namespace + "/" + name) }

// FieldManager is the field manager under which an ExternalSecret's Secret is
// written. ESO hashes the name when the whole would be longer than 63 characters,
// that is for names of more than 27.
func FieldManager(name string) string {
	const prefix = "externalsecrets.external-secrets.io/"
	if len(prefix)+len(name) > 63 {
		return prefix + "sha3/" + hashText(name)
	}
	return prefix + name
}

func hashText(text string) string {
	d := newDigest()
	d.text(text)
	return d.sum()
}

// digest hashes what it is told, in pieces, through one buffer.
type digest struct {
	hash   *sha3.SHA3
	buffer []byte
}

func newDigest() digest { return digest{hash: sha3.New224(), buffer: make([]byte, 0, 2048)} }

// text takes a string as %v prints it.
func (d *digest) text(s string) {
	for len(s) > 0 {
		n := min(len(s), d.room(1))
		d.buffer = append(d.buffer, s[:n]...)
		s = s[n:]
	}
}

// bytes takes a slice as %v prints it between its brackets: decimal, spaced.
func (d *digest) bytes(data []byte) {
	for i, b := range data {
		d.room(4)
		if i > 0 {
			d.buffer = append(d.buffer, ' ')
		}
		d.buffer = strconv.AppendUint(d.buffer, uint64(b), 10)
	}
}

// texts takes a map as %v prints it: sorted by key.
func (d *digest) texts(m map[string]string) {
	d.text("map[")
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			d.text(" ")
		}
		d.text(key)
		d.text(":")
		d.text(m[key])
	}
	d.text("]")
}

// room empties the buffer when fewer than n bytes are free, and says how many are.
func (d *digest) room(n int) int {
	if cap(d.buffer)-len(d.buffer) < n {
		_, _ = d.hash.Write(d.buffer)
		d.buffer = d.buffer[:0]
	}
	return cap(d.buffer) - len(d.buffer)
}

func (d *digest) sum() string {
	_, _ = d.hash.Write(d.buffer)
	var sum [28]byte
	return hex.EncodeToString(d.hash.Sum(sum[:0]))
}
