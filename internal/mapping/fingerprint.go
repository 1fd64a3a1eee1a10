package mapping

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha3"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"sync"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// fingerprintKey is this process's own. A fingerprint of a short secret could
// otherwise be found by trying; with the key it says nothing to anyone else, and
// compares only within the process.
var fingerprintKey = sync.OnceValue(func() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return key
})

// digest hashes lists of texts so that no two different lists meet: each with its
// length ahead.
type digest struct{ mac hash.Hash }

func newDigest() digest {
	return digest{hmac.New(func() hash.Hash { return sha3.New256() }, fingerprintKey())}
}

func (d digest) add(text ...[]byte) {
	for _, t := range text {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(t)))
		_, _ = d.mac.Write(length[:])
		_, _ = d.mac.Write(t)
	}
}

func (d digest) addf(format string, args ...any) { d.add(fmt.Appendf(nil, format, args...)) }

func (d digest) sum() string { return hex.EncodeToString(d.mac.Sum(nil)) }

// Fingerprint is a keyed hash over everything that could change the Secret. Two
// Desired of the same process with the same fingerprint want the same Secret.
func (d Desired) Fingerprint() string {
	h := newDigest()
	h.addf("%t %t %t %t %d %d %d %d", d.Absent, d.Proven, d.Immutable, d.HasTemplate,
		len(d.Data), len(d.Labels), len(d.Annotations), len(d.Finalizers))
	h.add([]byte(d.Type))
	for _, key := range sorted(d.Data) {
		h.add([]byte(key), d.Data[key].Reveal())
	}
	for _, m := range []map[string]string{d.Labels, d.Annotations} {
		for _, key := range sorted(m) {
			h.add([]byte(key), []byte(m[key]))
		}
	}
	for _, finalizer := range d.Finalizers {
		h.add([]byte(finalizer))
	}
	for _, source := range d.Sources {
		h.add([]byte(source.String()))
	}
	return h.sum()
}

// InputFingerprint is a keyed hash over what went in: spec, payloads, template
// sources. When Desired is Volatile and the input fingerprint is the one of the last
// write, there is no reason to write again. Otherwise it is the Fingerprint.
func (d Desired) InputFingerprint() string {
	if d.Volatile {
		return d.inputs
	}
	return d.Fingerprint()
}

func (c *computation) inputsHash() string {
	h := newDigest()
	spec, _ := json.Marshal(c.es.Spec)
	h.add(spec)
	fetched := func(f Fetched) {
		h.addf("%t", f.Absent)
		c.addPayload(h, f.Payload)
	}
	for _, f := range c.in.Data {
		fetched(f)
	}
	for _, set := range c.in.DataFrom {
		fetched(set.One)
		h.addf("%t %d", set.Absent, len(set.Hits))
		for _, hit := range sorted(set.Hits) {
			h.add([]byte(hit))
			c.addPayload(h, set.Hits[hit])
		}
	}
	for _, key := range SourceKeys(c.es) {
		source := c.in.Sources[key]
		h.addf("%s %s %d", key.Kind, key.Name, len(source))
		for _, item := range sorted(source) {
			h.add([]byte(item), source[item].Reveal())
		}
	}
	return h.sum()
}

func (c *computation) addPayload(h digest, payload kv.Payload) {
	if payload.Fields() != nil {
		h.add([]byte(c.docs.of(payload)))
	}
}
