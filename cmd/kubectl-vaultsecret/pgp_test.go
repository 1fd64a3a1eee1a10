package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// initializedForPeople is one server, initialized by the plugin with two of three shares
// encrypted to three people, in init.json.
func (b *bench) initializedForPeople() []*openpgp.Entity {
	b.Helper()
	b.servers(1, alone())
	people, files := b.people("first", "second", "third")
	if got := b.plugin("init", "--key-shares=3", "--key-threshold=2", "--pgp-keys="+strings.Join(files, ","), "--output-file=init.json"); got.code != 0 {
		b.Fatalf("init: %s", got.text)
	}
	return people
}

// people have a key each; the files hold the public ones, armored but for the last.
func (b *bench) people(names ...string) (people []*openpgp.Entity, files []string) {
	b.Helper()
	for i, name := range names {
		person, err := openpgp.NewEntity(name, "", name+"@example.org", nil)
		b.must(err)
		people = append(people, person)
		var public bytes.Buffer
		if i == len(names)-1 {
			b.must(person.Serialize(&public))
		} else {
			w, err := armor.Encode(&public, openpgp.PublicKeyType, map[string]string{"Comment": name})
			b.must(err)
			b.must(person.Serialize(w))
			b.must(w.Close())
		}
		files = append(files, name+".asc")
		b.must(os.WriteFile(filepath.Join(b.dir, name+".asc"), public.Bytes(), 0o600))
	}
	return people, files
}

// document is what init wrote.
type document struct {
	Keys     []string `json:"unseal_keys_b64"`
	Recovery []string `json:"recovery_keys_b64"`
	Root     string   `json:"root_token"`
}

func (b *bench) document(name string) document {
	b.Helper()
	raw, err := os.ReadFile(filepath.Join(b.dir, name))
	b.must(err)
	var d document
	b.must(json.Unmarshal(raw, &d))
	return d
}

// decrypted is share i, which a person can read.
func (b *bench) decrypted(person *openpgp.Entity, i int) string {
	b.Helper()
	return b.decrypt(person, b.document("init.json").Keys[i])
}

func (b *bench) decrypt(person *openpgp.Entity, message string) string {
	b.Helper()
	raw, err := base64.StdEncoding.DecodeString(message)
	b.must(err)
	opened, err := openpgp.ReadMessage(bytes.NewReader(raw), openpgp.EntityList{person}, nil, nil)
	b.must(err)
	text, err := io.ReadAll(opened.UnverifiedBody)
	b.must(err)
	return string(text)
}
