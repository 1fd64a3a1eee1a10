package eso

import (
	"crypto/sha3"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The hashes are ESO's since 0.17: lower-case hex of SHA3-224 over what Go's %+v
// prints of the value. They are reproduced bit for bit, because equal hashes are
// what makes a take-over silent.

// DataHash is the value of AnnotationDataHash for a Secret's data. The bytes go
// straight into the hash and are never printed.
func DataHash(data map[string][]byte) string {
	h := sha3.New224()
	write(h, "map[")
	var number []byte
	for i, key := range slices.Sorted(maps.Keys(data)) {
		if i > 0 {
			write(h, " ")
		}
		write(h, key+":[")
		number = number[:0]
		for j, b := range data[key] {
			if j > 0 {
				number = append(number, ' ')
			}
			number = strconv.AppendUint(number, uint64(b), 10)
			if len(number) > 4096 {
				_, _ = h.Write(number)
				number = number[:0]
			}
		}
		_, _ = h.Write(number)
		write(h, "]")
	}
	write(h, "]")
	return hex.EncodeToString(h.Sum(nil))
}

// SyncedResourceVersion is what status.syncedResourceVersion holds after a sync of
// the object as it is now: its generation and a hash of all labels and annotations.
func SyncedResourceVersion(meta *metav1.ObjectMeta) string {
	h := sha3.New224()
	write(h, "{annotations:")
	writeMap(h, meta.Annotations)
	write(h, " labels:")
	writeMap(h, meta.Labels)
	write(h, "}")
	return strconv.FormatInt(meta.Generation, 10) + "-" + hex.EncodeToString(h.Sum(nil))
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
	h := sha3.New224()
	write(h, text)
	return hex.EncodeToString(h.Sum(nil))
}

func writeMap(h hash.Hash, m map[string]string) {
	write(h, "map[")
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			write(h, " ")
		}
		write(h, key+":"+m[key])
	}
	write(h, "]")
}

func write(h hash.Hash, text string) { _, _ = h.Write([]byte(text)) }
